// SPDX-License-Identifier: GPL-2.0

//! How often which operation ended how.

use super::ops::NAMES;
use crate::{
    kapi::kunit::{
        check,
        note,
        Outcome, //
    },
    rig::Scene,
};
use kernel::prelude::*;

/// How an operation ended on both cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It did what was asked.
    Done,
    /// The core refused it by its rules.
    Refused,
    /// A driver failed, and it was undone.
    Failed,
    /// It raised a WARN.
    Warned,
    /// The cores differed as they should, or the last device went.
    Last,
}

const ENDS: usize = 5;

/// See the module.
pub(super) struct Coverage([[u32; ENDS]; NAMES.len()]);

impl Coverage {
    pub(super) fn new() -> Self {
        Self([[0; ENDS]; NAMES.len()])
    }

    pub(super) fn count(&mut self, row: usize, end: End) {
        let cell = self
            .0
            .get_mut(row)
            .and_then(|row| row.get_mut(end as usize));
        if let Some(cell) = cell {
            *cell = cell.saturating_add(1);
        }
    }

    /// Prints it. Where there were `enough`, much of it must have succeeded.
    pub(super) fn report(&self, scene: Scene, enough: bool) -> Outcome {
        note(fmt!(
            "                       done  refused   failed   warned     last"
        ));
        let (mut total, mut succeeded) = (0u64, 0u64);
        for (name, row) in NAMES.iter().zip(&self.0) {
            let [done, refused, failed, warned, last] = *row;
            let sum: u32 = row.iter().sum();
            total += u64::from(sum);
            succeeded += u64::from(done);
            if sum == 0 && !belongs(name, scene) {
                continue;
            }
            note(fmt!(
                "{name:<19} {done:>7}  {refused:>7}  {failed:>7}  {warned:>7}  {last:>7}"
            ));
            check!(
                done != 0 || !enough || !belongs(name, scene),
                "{name}: never succeeded"
            );
        }
        let percent = (succeeded * 100).checked_div(total).unwrap_or(0);
        note(fmt!("{percent} % of the operations succeeded on both"));
        check!(
            percent >= 40 || !enough,
            "only {percent} % of the operations succeeded"
        );
        Ok(())
    }
}

/// Whether an operation must succeed in a scene.
fn belongs(name: &str, scene: Scene) -> bool {
    match name {
        "set the type" => scene != Scene::Untranslated,
        "begin a reset" | "end a reset" => scene == Scene::Resettable,
        "use DMA" => scene == Scene::Deferred,
        "bind" | "unbind" => scene != Scene::Resettable,
        // A device with a direct range cannot be claimed, ...
        "claim" | "claim by a device" | "release" | "release by a device" => scene != Scene::Direct,
        // ... and not all families have PASIDs.
        "attach a PASID" | "replace a PASID" | "detach a PASID" => false,
        _ => true,
    }
}

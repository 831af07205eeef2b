// SPDX-License-Identifier: GPL-2.0

//! How often which operation ended how.

use super::{
    misuse::Misuse,
    ops::{
        Op,
        NAMES, //
    },
};
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
pub(super) struct Coverage {
    ops: [[u32; ENDS]; NAMES.len()],
    misuses: [u32; Misuse::ALL.len()],
}

impl Coverage {
    pub(super) fn new() -> Self {
        Self {
            ops: [[0; ENDS]; NAMES.len()],
            misuses: [0; Misuse::ALL.len()],
        }
    }

    pub(super) fn count(&mut self, op: Op, end: End) {
        let cell = match op {
            Op::Misuse { misuse, .. } => self.misuses.get_mut(misuse as usize),
            _ => self
                .ops
                .get_mut(op.row())
                .and_then(|row| row.get_mut(end as usize)),
        };
        if let Some(cell) = cell {
            *cell = cell.saturating_add(1);
        }
    }

    /// How often it was committed.
    pub(super) fn of(&self, misuse: Misuse) -> u32 {
        self.misuses.get(misuse as usize).copied().unwrap_or(0)
    }

    /// Prints it. Where there were `enough`, much of it must have succeeded.
    pub(super) fn report(&self, scene: Scene, pasids: bool, enough: bool) -> Outcome {
        note(fmt!(
            "                       done  refused   failed   warned     last"
        ));
        let (mut total, mut succeeded) = (0u64, 0u64);
        for (name, row) in NAMES.iter().zip(&self.ops) {
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
        self.report_misuse(scene, pasids, enough)
    }

    fn report_misuse(&self, scene: Scene, pasids: bool, enough: bool) -> Outcome {
        note(fmt!("  misuse, of the kernel's core alone"));
        for misuse in Misuse::ALL {
            let (count, (row, name)) = (self.of(misuse), misuse.names());
            note(fmt!("{count:>7} x {row:<18} {name}"));
            check!(
                count != 0 || !enough || !misuse.belongs(scene, pasids),
                "{name}: never committed"
            );
        }
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
        "plug" | "map" | "unmap" => scene == Scene::Untranslated,
        // A device with a direct range cannot be claimed, ...
        "claim" | "claim by a device" | "release" | "release by a device" => scene != Scene::Direct,
        // ... and not all families have PASIDs.
        "attach a PASID" | "replace a PASID" | "detach a PASID" => false,
        _ => true,
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A group whose devices' DMA is shown, by the name of the domain that it reaches.

use super::script::Script;
use crate::{
    fixture::Fixture,
    group::Group,
    iommu::Domain,
    mock::hw::Reach,
    oracle,
    recorder::{
        Call,
        Tag, //
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(super) struct Scene {
    pub(super) fixture: Fixture,
    pub(super) group: Arc<Group>,
    names: KVec<(&'static str, Arc<Domain>)>,
}

impl Scene {
    /// Shows the group of the first device.
    pub(super) fn new(fixture: Fixture) -> Result<Self> {
        let group = fixture.group()?.clone();
        let mut names = KVec::new();
        if let Some(default) = group.lock().default() {
            names.push(("default", default.clone()), GFP_KERNEL)?;
        }
        Ok(Self {
            fixture,
            group,
            names,
        })
    }

    /// Makes a user's domain and gives it a name.
    pub(super) fn domain(&mut self, name: &'static str) -> Result<Arc<Domain>> {
        let domain = self.fixture.domain()?;
        self.name(name, &domain)?;
        Ok(domain)
    }

    /// Gives a domain a name.
    pub(super) fn name(&mut self, name: &'static str, domain: &Arc<Domain>) -> Result {
        Ok(self.names.push((name, domain.clone()), GFP_KERNEL)?)
    }

    /// Prints the head of a table of what each device reaches.
    pub(super) fn head(&self, script: &mut Script) {
        let mut cells = KVec::new();
        for endpoint in self.fixture.endpoints() {
            let id = endpoint.device().id().0;
            let _ = cells.push(id, GFP_KERNEL);
        }
        script.say(fmt!("   {:<34}{}", "DMA of device:", Cells(&cells)));
    }

    /// Prints what each device reaches, and expects that.
    pub(super) fn row(&self, script: &mut Script, label: &str, expected: &[&str]) -> Result {
        let mut cells = KVec::new();
        for endpoint in self.fixture.endpoints() {
            let truth = self.fixture.truth(endpoint.device().id().0);
            cells.push(self.place(truth), GFP_KERNEL)?;
        }
        let right = cells[..] == *expected && oracle::check(&self.fixture).is_ok();
        script.check(fmt!("{label:<29}{}", Cells(&cells)), right);
        Ok(())
    }

    /// Prints the calls that the driver got since it was asked last.
    pub(super) fn calls(&self, script: &mut Script) {
        for event in &self.fixture.recorder().take() {
            let id = event.endpoint.0;
            if let Call::Attach {
                to, from, answer, ..
            } = event.call
            {
                let (to, from) = (self.tagged(Some(to)), self.tagged(from));
                let end = match answer.is_ok() {
                    true => "done",
                    false => "REFUSED",
                };
                script.say(fmt!("          device {id}: {from} -> {to}, {end}"));
            }
        }
    }

    fn place(&self, reach: Reach) -> &'static str {
        if reach == Reach::Aborted {
            return "blocked";
        }
        let found = self
            .names
            .iter()
            .find(|(_, domain)| oracle::reach(domain) == reach);
        found.map_or("elsewhere", |(name, _)| name)
    }

    fn tagged(&self, tag: Option<Tag>) -> &'static str {
        let Some(tag) = tag else {
            return "unknown";
        };
        let found = self.names.iter().find(|(_, domain)| Tag::of(domain) == tag);
        found.map_or("blocking", |(name, _)| name)
    }
}

/// Cells of a row, in columns.
pub(super) struct Cells<'a, T>(pub(super) &'a [T]);

impl<T: core::fmt::Display> fmt::Display for Cells<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, others)) = self.0.split_last() else {
            return Ok(());
        };
        for cell in others {
            write!(f, "{cell:<11}")?;
        }
        write!(f, "{last}")
    }
}

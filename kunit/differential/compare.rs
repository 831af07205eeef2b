// SPDX-License-Identifier: GPL-2.0

//! Whether both cores did the same.

use super::{
    domains,
    ops::{
        Op,
        Pages, //
    },
    Answer,
    Pair, //
};
use crate::{
    iommu::{
        EndpointId,
        Pasid, //
    },
    kapi::kunit::{
        check,
        Outcome, //
    },
    mark,
    mock::{
        hw::Reach,
        unit::FORMER_KERNEL, //
    },
    oracle,
    recorder::{
        Call,
        Event,
        Tag, //
    },
    rig::{
        DomainNo,
        Rig,
        Scene,
        PASIDS, //
    },
};
use kernel::prelude::*;

/// A domain by what it is, comparable between the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    User(usize),
    Identity,
    Blocked,
    /// The default domain, where it translates.
    Home,
    /// Where the kernel before this one sent it.
    Former,
    Other,
}

/// An answer of either core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Done(u64),
    /// The domain does not fit.
    Soft,
    Failed(Error),
}

impl Pair {
    pub(super) fn compare(&self, op: Op, ours: &Answer, kernel: &Answer) -> Outcome {
        let (here, there): (&dyn Rig, &dyn Rig) = (&*self.ours, &*self.kernel);
        let (our, their) = (said(here, ours), said(there, kernel));
        check!(
            our == their,
            "{op:?}: our core says {our:?}, the kernel's {their:?}"
        );
        check!(
            ours.warned == kernel.warned,
            "{op:?}: our core warns {} times, the kernel's {}",
            ours.warned,
            kernel.warned
        );
        check!(
            ours.events.len() == kernel.events.len(),
            "{op:?}: our core calls {:?}, the kernel's {:?}",
            &ours.events[..],
            &kernel.events[..]
        );
        for (our, their) in ours.events.iter().zip(&kernel.events) {
            check!(
                same(here, our, there, their),
                "{op:?}: our core calls {our:?}, the kernel's {their:?}"
            );
        }
        for id in self.model.present.iter().map(|device| device.id) {
            let (our, their) = (place(here, here.truth(id)), place(there, there.truth(id)));
            check!(
                our == their,
                "{op:?}: device {id} is on {our:?} here, {their:?} there"
            );
            for number in 1..PASIDS {
                let pasid = Pasid::new(number)?;
                let our = place(here, here.pasid_truth(id, pasid));
                let their = place(there, there.pasid_truth(id, pasid));
                check!(
                    our == their,
                    "{op:?}: PASID {number} of device {id} is on {our:?} here, {their:?} there"
                );
            }
        }
        if let Op::Map { domain, .. } | Op::Unmap { domain, .. } = op {
            self.compare_pages(op, domain)?;
        }
        if !self.model.present.is_empty() && !matches!(op, Op::Unplug { .. }) {
            let (our, their) = (here.handle(), there.handle());
            check!(our == their, "{op:?}: handle {our:?} here, {their:?} there");
            if self.model.scene != Scene::Untranslated {
                let (our, their) = (here.default_type(), there.default_type());
                check!(our == their, "{op:?}: type {our:?} here, {their:?} there");
            }
        }
        Ok(())
    }

    /// Whether a domain leads to the same places, and the devices that are on it get there.
    fn compare_pages(&self, op: Op, domain: DomainNo) -> Outcome {
        let (here, there): (&dyn Rig, &dyn Rig) = (&*self.ours, &*self.kernel);
        for iova in (0..u64::from(Pages::WINDOW)).map(Pages::iova) {
            let (our, their) = (here.translate(domain, iova), there.translate(domain, iova));
            check!(
                our == their,
                "{op:?}: {iova:#x} leads to {our:x?} here, to {their:x?} there"
            );
            for id in self
                .model
                .present
                .iter()
                .map(|device| EndpointId(device.id))
            {
                let reach = |rig: &dyn Rig| rig.mock().dma(id, None, iova);
                let (our, their) = (reach(here), reach(there));
                check!(
                    our == their,
                    "{op:?}: device {id:?} gets from {iova:#x} to {our:x?} here, to {their:x?} there"
                );
            }
        }
        Ok(())
    }
}

fn said(rig: &dyn Rig, answer: &Answer) -> Said {
    match answer.result {
        Ok(bytes) => Said::Done(bytes),
        Err(error) if error == rig.soft() && was_refused(answer) => Said::Soft,
        // A hard EINVAL, which the adaptor must not pass on as it is.
        Err(EINVAL) if was_refused(answer) => Said::Failed(ENODEV),
        Err(error) => Said::Failed(error),
    }
}

/// Whether the driver was asked at all: the kernel's soft error is EINVAL, which also has other
/// meanings.
fn was_refused(answer: &Answer) -> bool {
    answer.events.iter().any(|event| match event.call {
        Call::Attach { answer, .. } => answer.is_err(),
        Call::Probe | Call::Release => false,
    })
}

fn same(here: &dyn Rig, our: &Event, there: &dyn Rig, their: &Event) -> bool {
    if our.endpoint != their.endpoint {
        return false;
    }
    match (our.call, their.call) {
        (
            Call::Attach {
                pasid,
                to,
                from,
                answer,
            },
            Call::Attach {
                pasid: their_pasid,
                to: their_to,
                from: their_from,
                answer: their_answer,
            },
        ) => {
            let name_from = |rig, tag: Option<Tag>| tag.map(|tag| name(rig, tag));
            pasid == their_pasid
                && answer == their_answer
                && name(here, to) == name(there, their_to)
                && name_from(here, from) == name_from(there, their_from)
        }
        (our, their) => our == their,
    }
}

fn name(rig: &dyn Rig, tag: Tag) -> Name {
    if let Some(domain) = domains().find(|domain| rig.tag(*domain) == tag) {
        return Name::User(domain.0);
    }
    let mock = rig.mock();
    let is = |domain: Option<&kernel::sync::Arc<_>>| domain.map(Tag::of) == Some(tag);
    match (is(mock.identity()), is(mock.blocked()), is(rig.at_home())) {
        (true, ..) => Name::Identity,
        (_, true, _) => Name::Blocked,
        (.., true) => Name::Home,
        (..) => Name::Other,
    }
}

fn place(rig: &dyn Rig, truth: Reach) -> Name {
    if truth == Reach::Aborted {
        return Name::Blocked;
    }
    if truth == rig.home() {
        return Name::Identity;
    }
    if truth == Reach::Memory(FORMER_KERNEL + mark::IOVA) {
        return Name::Former;
    }
    let at_home = rig
        .at_home()
        .is_some_and(|home| oracle::reach(home) == truth);
    match domains().find(|domain| rig.reach(*domain) == truth) {
        Some(domain) => Name::User(domain.0),
        None if at_home => Name::Home,
        None => Name::Other,
    }
}

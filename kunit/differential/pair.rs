// SPDX-License-Identifier: GPL-2.0

//! The same group under both cores.

use super::{
    choose::Model,
    coverage::{
        Coverage,
        End, //
    },
    divergence::Divergence,
    ops::Op,
    rule,
    Mistake,
    Step,
    DOMAINS, //
};
use crate::{
    iommu::DefaultType,
    kapi::kunit::{
        check,
        Outcome,
        WarnCounter, //
    },
    mark,
    mock::{
        hw::Reach,
        unit::FORMER_KERNEL, //
    },
    random::Random,
    recorder::Event,
    rig::{
        Core,
        HandleNo,
        Kernel,
        Rig,
        Scene,
        Setting, //
    },
};
use kernel::prelude::*;

/// What to do after an operation.
pub(super) enum Next {
    /// The cores agree.
    GoOn(End),
    /// They differ as they should, or the group is gone.
    StartAfresh(Option<Divergence>),
}

/// What one core did with an operation.
#[derive(Debug)]
pub(super) struct Answer {
    /// With the bytes unmapped.
    pub(super) result: Result<u64>,
    pub(super) warned: u32,
    pub(super) events: KVec<Event>,
}

/// What a core says of its group, after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupSays {
    /// The type of the default domain.
    pub(super) what: Result<DefaultType>,
    pub(super) handle: Result<HandleNo>,
}

impl GroupSays {
    fn of(rig: &dyn Rig) -> Self {
        Self {
            what: rig.default_type(),
            handle: rig.handle(),
        }
    }
}

/// See the module.
pub(super) struct Pair {
    pub(super) ours: KBox<dyn Rig>,
    pub(super) kernel: KBox<Kernel>,
    pub(super) model: Model,
    mistake: Option<Mistake>,
}

impl Pair {
    pub(super) fn new(scene: Scene, members: u32, mistake: Option<Mistake>) -> Result<Self> {
        let mut ours = Setting::new(Core::Ours, members).scene(scene).build()?;
        let mut kernel = KBox::new(Kernel::of(members, scene)?, GFP_KERNEL)?;
        for _ in 0..DOMAINS {
            ours.domain()?;
            kernel.domain()?;
        }
        let mut pair = Self {
            ours,
            kernel,
            model: Model::new(members, scene)?,
            mistake,
        };
        if scene == Scene::OneStrict {
            // So far only ours has asked all of them.
            pair.ours.set_type(Some(DefaultType::Identity))?;
            pair.kernel.set_type(Some(DefaultType::Identity))?;
        }
        pair.look_home(false)?;
        Ok(pair)
    }

    /// What to do next.
    pub(super) fn choose(&mut self, random: &mut Random, coverage: &Coverage) -> Step {
        let misuse = match random.chance(5) {
            true => self.model.choose_misuse(random, coverage),
            false => None,
        };
        if let Some(op) = misuse {
            return Step { op, rule: None };
        }
        let op = self.model.choose(random);
        let fails = random.chance(25);
        Step {
            op,
            rule: fails.then(|| rule(random, op, self.model.members)),
        }
    }

    /// Does it on both, and compares.
    pub(super) fn step(&mut self, step: Step, warnings: &WarnCounter) -> Outcome<Next> {
        let op = step.op;
        if let Op::Misuse { misuse, how } = op {
            let slip = match self.mistake {
                Some(Mistake::Verdict(wrong, slip)) if wrong == misuse => Some(slip),
                _ => None,
            };
            self.misuse(misuse, how, warnings, slip)?;
            return Ok(Next::GoOn(End::Refused));
        }
        if let Some(rule) = step.rule {
            self.ours.fail(rule)?;
            self.kernel.mock().faults().add(rule)?;
        }
        let deferred = self.is_deferred();
        let hits = self.ours.mock().faults().hits();
        let mut ours = answer(&mut *self.ours, op, warnings);
        if let Some(Mistake::Record(distortion)) = self.mistake {
            distortion.apply(&mut ours.events);
        }
        let hit = self.ours.mock().faults().hits() != hits;
        let fault = step.rule.filter(|_| hit).map(|rule| rule.op);
        let kernel = answer(&mut *self.kernel, op, warnings);

        let expected = Divergence::expected(op, &self.model, fault, deferred, &ours);
        if let Some(expected) = expected {
            let groups = [GroupSays::of(&*self.ours), GroupSays::of(&*self.kernel)];
            let shown = expected.is_shown(&ours, &kernel, groups);
            check!(
                shown,
                "{op:?} should differ ({}); our core says {ours:?}, the kernel's {kernel:?}; {groups:?}",
                expected.name()
            );
            return Ok(Next::StartAfresh(Some(expected)));
        }
        let success = ours.result.is_ok();
        if success {
            self.model.done(op);
        }
        if let (Op::SetType { wanted }, true) = (op, success) {
            self.look_home(wanted.is_none())?;
        }
        self.compare(op, &ours, &kernel)?;
        match self.model.present.is_empty() {
            true => Ok(Next::StartAfresh(None)),
            false => Ok(Next::GoOn(match (ours.warned, success) {
                (1.., _) => End::Warned,
                (0, true) => End::Done,
                (0, false) if hit => End::Failed,
                (0, false) => End::Refused,
            })),
        }
    }

    /// Gets to know the default domains, unless they are what they were.
    fn look_home(&mut self, auto: bool) -> Result {
        if self.model.scene == Scene::Untranslated {
            return Ok(());
        }
        if self.model.has_home(self.ours.default_type()?, auto) {
            self.ours.look_home()?;
            self.kernel.look_home()?;
        }
        Ok(())
    }

    fn is_deferred(&self) -> bool {
        let former = Reach::Memory(FORMER_KERNEL + mark::IOVA);
        let mut ids = self.model.present.iter().map(|device| device.id);
        self.model.scene == Scene::Deferred && ids.any(|id| self.ours.truth(id) == former)
    }
}

/// Does an operation under one core, and takes its faults away.
fn answer(rig: &mut dyn Rig, op: Op, warnings: &WarnCounter) -> Answer {
    rig.recorder().clear();
    let before = warnings.count();
    let result = op.perform(rig);
    let answer = Answer {
        result,
        warned: warnings.count() - before,
        events: rig.recorder().take(),
    };
    rig.mock().faults().clear();
    answer
}

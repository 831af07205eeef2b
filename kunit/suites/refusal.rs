// SPDX-License-Identifier: GPL-2.0

//! A member refuses: which one, with what error, and leaving what behind. What either core then
//! believes against where hardware sends DMA.

use crate::{
    families::Protocols,
    iommu::EndpointId,
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome,
            Param,
            WarnCounter, //
        }, //
    },
    mock::{
        fault::{
            Leave,
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    rig::{
        DomainNo,
        HandleNo,
        Rig,
        Setting,
        SETTINGS, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_refusal over Protocols:
    refusal_without_a_trace_changes_nothing: each Refusal in REFUSALS;
    fenced_member_is_the_only_one_blocked: each Refusal in REFUSALS;
    only_the_member_with_a_broken_driver_is_elsewhere: each Refusal in REFUSALS;
}

/// What the group is asked for when a member refuses.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// From the default domain to a user's.
    Attach,
    /// From one of a user's to another.
    Replace,
    /// From the default domain to the blocked one.
    Claim,
}

/// A [`Move`] under one core.
struct Refusal {
    how: Move,
    setting: &'static Setting,
}

impl Param for Refusal {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, ", self.how)?;
        self.setting.label(f)
    }
}

const REFUSALS: [Refusal; 18] = {
    let hows = [Move::Attach, Move::Replace, Move::Claim];
    let mut refusals = [const {
        Refusal {
            how: Move::Attach,
            setting: &SETTINGS[0],
        }
    }; 18];
    let mut at = 0;
    while at < refusals.len() {
        refusals[at] = Refusal {
            how: hows[at / SETTINGS.len()],
            setting: &SETTINGS[at % SETTINGS.len()],
        };
        at += 1;
    }
    refusals
};

/// A group that is about to move.
struct Scene {
    rig: KBox<dyn Rig>,
    how: Move,
    members: u32,
    old: DomainNo,
    new: DomainNo,
    claimed: bool,
}

impl Scene {
    fn new(refusal: &Refusal) -> Result<Self> {
        let mut rig = refusal.setting.build()?;
        let (old, new) = (rig.domain()?, rig.domain()?);
        if let Move::Replace = refusal.how {
            rig.attach(old, Some(HandleNo(1)))?;
        }
        rig.recorder().clear();
        Ok(Self {
            rig,
            how: refusal.how,
            members: refusal.setting.members,
            old,
            new,
            claimed: false,
        })
    }

    /// Where everybody comes from.
    fn before(&self) -> Reach {
        match self.how {
            Move::Replace => self.rig.reach(self.old),
            Move::Attach | Move::Claim => self.rig.home(),
        }
    }

    /// Where everybody is to go.
    fn after(&self) -> Reach {
        match self.how {
            Move::Attach | Move::Replace => self.rig.reach(self.new),
            Move::Claim => Reach::Aborted,
        }
    }

    /// Makes one member fail once.
    fn fail(&self, member: u32, error: Error, leave: Leave) -> Result {
        let rule = Rule::once(Op::Attach, error).leaving(leave);
        self.rig.fail(rule.at(EndpointId(member)))
    }

    fn go(&mut self) -> Result {
        match self.how {
            Move::Attach => self.rig.attach(self.new, Some(HandleNo(2))),
            Move::Replace => self.rig.replace(self.new, HandleNo(2)),
            Move::Claim => {
                self.rig.claim()?;
                self.claimed = true;
                Ok(())
            }
        }
    }

    /// Checks that all get where `others` do, but for one.
    fn check(&self, others: Reach, member: u32, reach: Reach) -> Outcome {
        for at in 0..self.members {
            let expected = if at == member { reach } else { others };
            let truth = self.rig.truth(at);
            check!(
                truth == expected,
                "{:?} with {} members, {member} failing: device {at} reaches {truth:x?}, not \
                 {expected:x?}",
                self.how,
                self.members
            );
        }
        Ok(())
    }

    /// Whatever has happened, a domain that everybody moves to mends it.
    fn check_mends(mut self) -> Outcome {
        let fresh = self.rig.domain()?;
        self.rig.replace(fresh, HandleNo(3))?;
        self.rig.check_all(self.members, self.rig.reach(fresh))?;
        check_eq!(self.rig.handle(), Ok(HandleNo(3)));
        self.rig.free(self.old);
        self.rig.free(self.new);
        self.rig.check_all(self.members, self.rig.reach(fresh))?;
        self.end(Some(fresh))
    }

    /// Goes home from `attached`, or from where the claim has led.
    fn end(mut self, attached: Option<DomainNo>) -> Outcome {
        if let Some(attached) = attached {
            self.rig.detach(attached);
        }
        if self.claimed {
            self.rig.release();
        }
        self.rig.check_all(self.members, self.rig.home())
    }
}

fn refusal_without_a_trace_changes_nothing(refusal: &Refusal) -> Outcome {
    let warnings = WarnCounter::start()?;
    let soft = errno::emediumtype();
    for member in 0..refusal.setting.members {
        for error in [ENOMEM, ENOSPC, EBUSY, ENODEV, EIO, soft] {
            let mut scene = Scene::new(refusal)?;
            scene.fail(member, error, Leave::Unchanged)?;
            let seen = if error == soft {
                scene.rig.soft()
            } else {
                error
            };
            check_eq!(scene.go(), Err(seen));
            let before = scene.before();
            scene.check(before, member, before)?;
            let handle = match refusal.how {
                Move::Replace => Ok(HandleNo(1)),
                Move::Attach | Move::Claim => Err(ENOENT),
            };
            check_eq!(scene.rig.handle(), handle);

            // It was a fault of the moment.
            check_eq!(scene.go(), Ok(()));
            let after = scene.after();
            scene.check(after, member, after)?;
            let attached = match refusal.how {
                Move::Attach | Move::Replace => Some(scene.new),
                Move::Claim => None,
            };
            scene.end(attached)?;
        }
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn fenced_member_is_the_only_one_blocked(refusal: &Refusal) -> Outcome {
    let warnings = WarnCounter::start()?;
    for member in 0..refusal.setting.members {
        let mut scene = Scene::new(refusal)?;
        scene.fail(member, EIO, Leave::Fenced)?;
        check_eq!(scene.go(), Ok(()));
        scene.check(scene.after(), member, Reach::Aborted)?;
        scene.check_mends()?;
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn only_the_member_with_a_broken_driver_is_elsewhere(refusal: &Refusal) -> Outcome {
    let warnings = WarnCounter::start()?;
    for member in 0..refusal.setting.members {
        for leave in [Leave::Blocked, Leave::Half, Leave::Lie] {
            let mut scene = Scene::new(refusal)?;
            let (before, after) = (scene.before(), scene.after());
            scene.fail(member, EIO, leave)?;
            let result = scene.go();
            // The core believes the driver: in a failure as in a success.
            match leave {
                Leave::Lie => {
                    check_eq!(result, Ok(()));
                    scene.check(after, member, before)?;
                }
                _ => {
                    check_eq!(result, Err(EIO));
                    let left = if leave == Leave::Half {
                        after
                    } else {
                        Reach::Aborted
                    };
                    scene.check(before, member, left)?;
                }
            }
            scene.check_mends()?;
        }
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

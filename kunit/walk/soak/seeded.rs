// SPDX-License-Identifier: GPL-2.0

//! Proof that a soak can fail: each read of the debugfs file `soak_seeded` plants the next defect
//! in the core, soaks until that is noticed, and says in a line of JSON how long it took. Nothing
//! is left to read once all have had their turn.

use super::{
    arena::Manner,
    burst,
    Burst,
    THREADS, //
};
use crate::{
    group::defect::{
        Defect,
        Planted, //
    },
    kapi::{
        new_mutex,
        planted::Kind,
        Mutex, //
    },
    seed,
};
use kernel::{
    fmt,
    prelude::*, //
};

/// Milliseconds within which a defect has to be noticed, and those in which one thread alone must
/// not notice a race.
const LIMIT: i64 = 60_000;
const ALONE: i64 = 500;

/// Whether a soak notices a defect.
enum Verdict {
    /// It does, in groups of these manners.
    Noticed(fn(Manner) -> bool),
    /// The same, and one thread alone does not.
    Raced(fn(Manner) -> bool),
    /// It cannot, as the sentence says.
    Unseen(&'static str),
}

use Verdict::{
    Noticed,
    Raced,
    Unseen, //
};

fn verdict(defect: Defect) -> Verdict {
    match defect {
        Defect::UnwindSkipped
        | Defect::WrongMemberReverted
        | Defect::EarlyReturnInUnwind
        | Defect::WarnLost
        | Defect::FallbackMissing
        | Defect::BindAfterFailedReturn
        | Defect::HandlePublishedEarly
        | Defect::ParkedMoved
        | Defect::PasidUnwindSkipped
        | Defect::DefaultForgotten
        | Defect::ReleaseKeepsMember => Noticed(|_| true),
        // Only those who release what they have claimed know that it was theirs.
        Defect::OwnerCountOffByOne => Noticed(|manner| manner.obedient),
        // The other thread has to come between the check and the claim.
        Defect::ClaimChecksFirst => Raced(|manner| manner.obedient),
        // The driver of 2022 does not attach when it releases, so that nothing is called for a
        // device that has left unless the other thread does it.
        Defect::ReleaseOutsideMutex => Raced(|manner| manner.old),
        Defect::BlockedGap => Unseen("whoever has the mutex never finds a group in the gap"),
        Defect::ForeignAccepted => Unseen("drivers refuse such a domain, too"),
        Defect::SoftErrorStops | Defect::HardErrorContinues => {
            Unseen("no address space is searched in a soak")
        }
    }
}

/// What the file remembers: the next defect, by place.
#[pin_data]
pub(crate) struct Seeded {
    #[pin]
    next: Mutex<usize>,
}

impl Seeded {
    /// Makes the file's data.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self { next <- new_mutex!(0, "soak::Seeded::next") })
    }

    /// Plants the next defect and soaks.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = self.next.lock();
        let Some(&defect) = Defect::ALL.get(*next) else {
            return Ok(());
        };
        *next += 1;
        let (wanted, raced) = match verdict(defect) {
            Noticed(wanted) => (wanted, false),
            Raced(wanted) => (wanted, true),
            Unseen(why) => {
                return f.write_fmt(fmt!("{{\"defect\":\"{defect:?}\",\"unseen\":\"{why}\"}}\n"));
            }
        };
        let _planted = Planted::new(defect);
        let alone = raced && burst(seed(), ALONE, 1, wanted).failed;
        let Burst {
            ms, groups, failed, ..
        } = burst(seed(), LIMIT, THREADS, wanted);
        let noticed = failed && !alone;
        f.write_fmt(fmt!(
            "{{\"defect\":\"{defect:?}\",\"raced\":{raced},\"ms\":{ms},\"groups\":{groups},\
             \"noticed\":{noticed}}}\n"
        ))
    }
}

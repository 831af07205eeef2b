// SPDX-License-Identifier: GPL-2.0

//! How entries change: stores, syncs, and whether hardware notices.
//!
//! The first table has the cases of drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-test.c, one for each
//! direction. The second has what the driver really does, which differs: VMIDs are never 0, and a
//! domain has an ASID of its own.

use super::{
    oracle::{
        Kind,
        Readable, //
    },
    shapes::{
        Shape::{
            self,
            Abort,
            Bypass,
            Cd,
            Nested,
            NoCd,
            Sva,
            SvaReleased,
            S1,
            S2, //
        },
        SKIP,
        SSID0, //
    },
};
use crate::{
    kapi::kunit::{
        self,
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::model::Words,
        smmuv3::{
            entry_writer::{
                self,
                Place,
                Plan, //
            },
            used::{
                self,
                Entry as _, //
            },
        }, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_smmuv3_entry:
    a_transition_is_as_in_linux: each Case in LINUX;
    a_transition_is_as_computed: each Case in BEYOND;
    entries_set_no_bit_that_is_not_used: each Case in LINUX;
    a_careless_writer_is_found_out: each Case in BEYOND;
    any_entry_can_become_any_other;
    an_entry_that_stays_is_left_alone;
}

/// A transition, and what it takes.
struct Case {
    name: &'static str,
    from: Shape,
    to: Shape,
    /// Words that cannot change unnoticed, one bit each, where the specification says.
    critical: Option<u8>,
    syncs: u32,
    stores: u32,
    hitless: bool,
}

impl kunit::Param for Case {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const HITLESS: bool = true;
const DISRUPTIVE: bool = false;

const fn linux(
    name: &'static str,
    from: Shape,
    to: Shape,
    syncs: u32,
    hitless: bool,
    stores: u32,
) -> Case {
    Case {
        name,
        from,
        to,
        critical: None,
        syncs,
        stores,
        hitless,
    }
}

const fn beyond(
    name: &'static str,
    from: Shape,
    to: Shape,
    critical: u8,
    syncs: u32,
    hitless: bool,
    stores: u32,
) -> Case {
    Case {
        critical: Some(critical),
        ..linux(name, from, to, syncs, hitless, stores)
    }
}

const CDTABLE: Shape = S1(0, SSID0, true, false);
const SKIPPING: Shape = S1(0, SKIP, true, false);
const STAGE2: Shape = S2(0, true, false);
const NESTED: Shape = Nested(0, SKIP, 0, true);
const PLAIN_S2: Shape = S2(0, false, false);

#[rustfmt::skip]
const LINUX: [Case; 29] = [
    linux("bypass_to_abort", Bypass, Abort, 2, HITLESS, 2),
    linux("abort_to_bypass", Abort, Bypass, 2, HITLESS, 2),
    linux("cdtable_to_abort", CDTABLE, Abort, 2, HITLESS, 2),
    linux("abort_to_cdtable", Abort, CDTABLE, 2, HITLESS, 2),
    linux("cdtable_to_bypass", CDTABLE, Bypass, 3, HITLESS, 3),
    linux("bypass_to_cdtable", Bypass, CDTABLE, 3, HITLESS, 3),
    linux("cdtable_s1dss_change, to bypass", CDTABLE, SKIPPING, 1, HITLESS, 1),
    linux("cdtable_s1dss_change, to SSID0", SKIPPING, CDTABLE, 1, HITLESS, 1),
    linux("s1dssbypass_to_stebypass", SKIPPING, Bypass, 2, HITLESS, 2),
    linux("stebypass_to_s1dssbypass", Bypass, SKIPPING, 2, HITLESS, 2),
    linux("s2_to_abort", STAGE2, Abort, 2, HITLESS, 4),
    linux("abort_to_s2", Abort, STAGE2, 2, HITLESS, 4),
    linux("s2_to_bypass", STAGE2, Bypass, 2, HITLESS, 4),
    linux("bypass_to_s2", Bypass, STAGE2, 2, HITLESS, 4),
    linux("s1_to_s2", CDTABLE, STAGE2, 3, HITLESS, 5),
    linux("s2_to_s1", STAGE2, CDTABLE, 3, HITLESS, 5),
    linux("non_hitless", CDTABLE, S1(1, SKIP, true, false), 3, DISRUPTIVE, 3),
    linux("s1_to_s2_stall", S1(0, SSID0, false, true), S2(0, false, true), 3, HITLESS, 5),
    linux("s2_to_s1_stall", S2(0, false, true), S1(0, SSID0, false, true), 3, HITLESS, 5),
    linux("nested_s1dssbypass_to_s1bypass", NESTED, PLAIN_S2, 3, HITLESS, 3),
    linux("nested_s1bypass_to_s1dssbypass", PLAIN_S2, NESTED, 2, HITLESS, 2),
    linux("cd s1_clear, to a CD", NoCd, Cd(1997, 0, 4), 2, DISRUPTIVE, 3),
    linux("cd s1_clear, to none", Cd(1997, 0, 4), NoCd, 2, DISRUPTIVE, 3),
    linux("cd s1_change_asid, up", Cd(778, 0, 4), Cd(1997, 0, 4), 1, HITLESS, 1),
    linux("cd s1_change_asid, down", Cd(1997, 0, 4), Cd(778, 0, 4), 1, HITLESS, 1),
    linux("cd sva_clear, to a CD", NoCd, Sva(1997), 2, DISRUPTIVE, 3),
    linux("cd sva_clear, to none", Sva(1997), NoCd, 2, DISRUPTIVE, 3),
    linux("cd sva_release", Sva(1997), SvaReleased(1997), 2, HITLESS, 2),
    linux("cd sva_release, back", SvaReleased(1997), Sva(1997), 2, HITLESS, 2),
];

const ATS_S2: Shape = S2(3, true, false);
const STALLING_S2: Shape = S2(3, false, true);

#[rustfmt::skip]
const BEYOND: [Case; 24] = [
    beyond("S1 domain to another", Cd(1, 0, 4), Cd(2, 1, 4), 0b11, 3, DISRUPTIVE, 3),
    beyond("cd ASID only", Cd(1, 0, 4), Cd(2, 0, 4), 1 << 0, 1, HITLESS, 1),
    beyond("cd TTB0 only", Cd(1, 0, 4), Cd(1, 1, 4), 1 << 1, 1, HITLESS, 1),
    beyond("cd TCR only", Cd(1, 0, 4), Cd(1, 0, 5), 1 << 0, 1, HITLESS, 1),
    beyond("S2 domain to another",
        S2(1, true, false), S2(2, true, false), 0b1100, 3, DISRUPTIVE, 4),
    beyond("S1 to S2 with VMID", CDTABLE, ATS_S2, 0b101, 3, DISRUPTIVE, 5),
    beyond("S2 with VMID to S1", ATS_S2, CDTABLE, 0b101, 3, DISRUPTIVE, 5),
    beyond("S1 to nested with VMID", CDTABLE, Nested(0, SSID0, 3, true), 0b101, 3, DISRUPTIVE, 5),
    beyond("nested with VMID to S1", Nested(0, SSID0, 3, true), CDTABLE, 0b101, 3, DISRUPTIVE, 5),
    beyond("bypass to S2 with VMID", Bypass, ATS_S2, 1 << 0, 2, HITLESS, 4),
    beyond("S2 with VMID to bypass", ATS_S2, Bypass, 1 << 0, 2, HITLESS, 4),
    beyond("bypass to nested", Bypass, Nested(0, SSID0, 3, true), 1 << 0, 2, HITLESS, 4),
    beyond("nested to abort", Nested(0, SSID0, 3, true), Abort, 1 << 0, 2, HITLESS, 4),
    beyond("S2 parent to nested",
        S2(3, false, false), Nested(0, SSID0, 3, true), 1 << 0, 2, HITLESS, 2),
    beyond("nested to S2 parent",
        Nested(0, SSID0, 3, true), S2(3, false, false), 1 << 0, 3, HITLESS, 3),
    beyond("S1ContextPtr", CDTABLE, S1(1, SSID0, true, false), 1 << 0, 1, HITLESS, 1),
    beyond("S1ContextPtr, nested",
        Nested(0, SSID0, 3, true), Nested(1, SSID0, 3, true), 1 << 0, 1, HITLESS, 1),
    beyond("S1ContextPtr and S1DSS", CDTABLE, S1(1, SKIP, true, false), 0b11, 3, DISRUPTIVE, 3),
    beyond("nested to another parent",
        Nested(0, SSID0, 3, true), Nested(0, SSID0, 4, true), 0b1100, 3, DISRUPTIVE, 4),
    beyond("EATS on", S2(3, false, false), ATS_S2, 0, 1, HITLESS, 1),
    beyond("EATS off", ATS_S2, S2(3, false, false), 0, 1, HITLESS, 1),
    beyond("EATS off, S1", CDTABLE, S1(0, SSID0, false, false), 0, 1, HITLESS, 1),
    beyond("EATS to S2S", ATS_S2, STALLING_S2, 0b110, 3, DISRUPTIVE, 4),
    beyond("S2S to EATS", STALLING_S2, ATS_S2, 0b110, 3, DISRUPTIVE, 4),
];

/// An entry whose changes are watched.
struct Watched {
    kind: Kind,
    from: Words,
    to: Words,
    now: Words,
    readable: Readable,
    stores: u32,
    syncs: u32,
    barriers: u32,
    /// It was invalid for a time.
    blocked: bool,
    /// What hardware could read was neither of the two nor invalid.
    torn: bool,
}

impl Watched {
    fn new(kind: Kind, from: Words, to: Words) -> Self {
        Self {
            kind,
            from,
            to,
            now: from,
            readable: Readable::of(&from),
            stores: 0,
            syncs: 0,
            barriers: 0,
            blocked: false,
            torn: false,
        }
    }

    /// Looks at what hardware can read, in one go and word by word.
    fn look(&mut self) {
        let (kind, from, to) = (self.kind, self.from, self.to);
        let whole = |entry: &Words| {
            kind.is_invalid(entry) || kind.acts_as(entry, &from) || kind.acts_as(entry, &to)
        };
        let [word, ..] = self.now;
        self.blocked |= word == 0;
        self.torn |= !whole(&self.now) || !self.readable.all(whole);
    }
}

impl Place for Watched {
    fn load(&self) -> Result<Words> {
        Ok(self.now)
    }

    fn store(&mut self, index: usize, word: u64) -> Result {
        *self.now.get_mut(index).ok_or(EFAULT)? = word;
        self.stores += 1;
        if !self.readable.add(index, word) {
            return Err(ENOSPC);
        }
        self.look();
        Ok(())
    }

    fn barrier(&mut self) {
        self.barriers += 1;
    }

    fn sync(&mut self) {
        self.syncs += 1;
        self.readable = Readable::of(&self.now);
        self.look();
    }
}

fn write(entry: &mut Watched) -> Result {
    let to = entry.to;
    match entry.kind {
        Kind::Ste => entry_writer::write::<used::Ste>(entry, &to),
        Kind::Cd => entry_writer::write::<used::Cd>(entry, &to),
    }
}

fn critical(kind: Kind, from: &Words, to: &Words) -> u8 {
    match kind {
        Kind::Ste => Plan::new::<used::Ste>(from, to).critical,
        Kind::Cd => Plan::new::<used::Cd>(from, to).critical,
    }
}

fn a_transition_is_as_in_linux(case: &Case) -> Outcome {
    let (from, to) = (case.from.words(), case.to.words());
    let mut entry = Watched::new(case.from.kind(), from, to);
    write(&mut entry)?;
    check_eq!(entry.syncs, case.syncs);
    check_eq!(entry.stores, case.stores);
    check_eq!(!entry.blocked, case.hitless);
    check!(!entry.torn, "hardware reads neither the one nor the other");
    check_eq!(entry.now, to);
    check_eq!(entry.barriers, 1);
    Ok(())
}

fn a_transition_is_as_computed(case: &Case) -> Outcome {
    let (from, to) = (case.from.words(), case.to.words());
    check_eq!(Some(critical(case.from.kind(), &from, &to)), case.critical);
    a_transition_is_as_in_linux(case)
}

fn entries_set_no_bit_that_is_not_used(case: &Case) -> Outcome {
    for shape in [case.from, case.to] {
        let words = shape.words();
        let used = shape.kind().used(&words);
        let own = match shape.kind() {
            Kind::Ste => used::Ste::used(&words),
            Kind::Cd => used::Cd::used(&words),
        };
        check_eq!(own, used);
        for (word, used) in words.iter().zip(used) {
            check!(word & !used == 0, "{word:#x} has more than {used:#x}");
        }
    }
    Ok(())
}

/// Writes all words in order, and syncs once. What changes more than one word that matters is then
/// torn; the others are not.
fn a_careless_writer_is_found_out(case: &Case) -> Outcome {
    let (from, to) = (case.from.words(), case.to.words());
    let mut entry = Watched::new(case.from.kind(), from, to);
    for (index, (from, to)) in from.iter().zip(to).enumerate() {
        if *from != to {
            entry.store(index, to)?;
        }
    }
    entry.sync();
    let critical = case.critical.unwrap_or(0).count_ones();
    check!(entry.torn || critical < 2, "nothing is torn");
    // One store is as good as the writer's.
    check!(!entry.torn || entry.stores > 1);
    Ok(())
}

fn any_entry_can_become_any_other() -> Outcome {
    let shapes = || {
        let cases = LINUX.iter().zip(Iterator::cycle(BEYOND.iter()));
        cases.flat_map(|(a, b)| [a.from, a.to, b.from, b.to])
    };
    for from in shapes() {
        for to in shapes().filter(|to| to.kind() == from.kind()) {
            let (old, new) = (from.words(), to.words());
            let mut entry = Watched::new(from.kind(), old, new);
            write(&mut entry)?;
            check_eq!(entry.now, new);
            check!(!entry.torn, "from {from:?} to {to:?} is torn");
            let several = critical(from.kind(), &old, &new).count_ones() > 1;
            let invalid = [old, new].iter().any(|words| from.kind().is_invalid(words));
            check_eq!(entry.blocked, several || invalid && entry.stores != 0);
            check!(entry.syncs <= 3);
        }
    }
    Ok(())
}

fn an_entry_that_stays_is_left_alone() -> Outcome {
    for case in LINUX.iter() {
        let words = case.from.words();
        let mut entry = Watched::new(case.from.kind(), words, words);
        write(&mut entry)?;
        check_eq!((entry.stores, entry.syncs), (0, 0));
    }
    Ok(())
}

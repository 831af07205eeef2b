// SPDX-License-Identifier: GPL-2.0

//! The steps of each protocol, letter by letter.
//!
//! `H` and `L` store the high and the low half of an entry, `D` its first word alone, `G` an entry
//! of a GCR3 table. `d` is INVALIDATE_DEVTAB_ENTRY, `p` INVALIDATE_IOMMU_PAGES, `i`
//! INVALIDATE_IOTLB_PAGES, `w` a wait. `+` and
//! `-` are the list of a space, `t` and `u` say whose a tag is. What is done for the alias is in
//! brackets.

use super::{
    Bench,
    WIDE, //
};
use crate::{
    iommu::Prot,
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            Failed,
            Outcome, //
        }, //
    },
    mock::{
        amd::AmdSpace,
        hw::{
            amd::dte::{
                self,
                Dte, //
            },
            step::{
                Note,
                Step, //
            }, //
        },
        unit::{
            Modelled as _,
            Space as _,
            Target, //
        },
    },
};
use kernel::prelude::*;

/// What was done, a letter for each step.
fn script(bench: &Bench, act: impl FnOnce() -> Outcome) -> Result<KVec<u8>, Failed> {
    let machine = bench.unit.machine();
    machine.start_tape();
    act()?;
    let table = machine.model().device_table;
    let mut script = KVec::new();
    let mut add = |alias: bool, letter: u8| {
        let letters = match alias {
            true => [b'(', letter, b')'],
            false => [0, letter, 0],
        };
        for letter in letters.into_iter().filter(|letter| *letter != 0) {
            script.push(letter, GFP_KERNEL)?;
        }
        Ok::<_, Error>(())
    };
    for step in &machine.take_tape() {
        match step {
            Step::Store(store) => match store.at.wrapping_sub(table) {
                offset @ 0..0x8000 => {
                    let half = match (offset & 16, store.count) {
                        (0, 1) => b'D',
                        (0, _) => b'L',
                        _ => b'H',
                    };
                    add(offset >> 5 >= 0x100, half)?;
                }
                _ => add(false, b'G')?,
            },
            Step::Submit(command) => {
                let [first, _] = command.0;
                match first >> 60 {
                    2 => add(first & 0x100 != 0, b'd')?,
                    3 => add(false, b'p')?,
                    4 => add(first & 0x100 != 0, b'i')?,
                    _ => add(false, b'?')?,
                }
            }
            Step::Wait => add(false, b'w')?,
            Step::Note(Note::Listed(_, from)) => add(from.id >= 0x100, b'+')?,
            Step::Note(Note::Unlisted(_, from)) => add(from.id >= 0x100, b'-')?,
            Step::Note(Note::Tagged(..)) => add(false, b't')?,
            Step::Note(Note::Untagged(..)) => add(false, b'u')?,
            Step::Note(Note::Freed(_)) => add(false, b'f')?,
            Step::Note(Note::Return) | Step::Barrier => (),
            Step::Call(..) => add(false, b'?')?,
        }
    }
    Ok(script)
}

fn show(script: &[u8]) -> &str {
    core::str::from_utf8(script).unwrap_or("?")
}

#[track_caller]
fn check_script(
    bench: &Bench,
    what: &str,
    expected: &str,
    act: impl FnOnce() -> Outcome,
) -> Outcome {
    let script = script(bench, act)?;
    let expected = expected.as_bytes().iter().filter(|letter| **letter != b' ');
    check!(
        script.iter().eq(expected.clone()),
        "{what}: {}",
        show(&script)
    );
    Ok(())
}

fn go(bench: &Bench, pasid: Option<u32>, to: &Target<AmdSpace>) -> Outcome {
    check_eq!(bench.attach(WIDE, pasid, to), Ok(()));
    Ok(())
}

pub(super) fn moves_are_these_steps() -> Outcome {
    // From, to, linux, store128. V are guest tables, v the same with another depth.
    let cases = [
        ("0B", "HLdw (H)(L)(d)w d(d)w", "L(L) d(d)w"),
        ("0I", "HLdw (H)(L)(d)w d(d)w", "HL(H)(L) d(d)w"),
        ("0A", "+(+) HLdw (H)(L)(d)w d(d)w", "+(+) L(L) d(d)w"),
        (
            "0V",
            "tGpw +(+) HLdw (H)(L)(d)w d(d)w",
            "+(+) tG HL(H)(L) d(d)w",
        ),
        // Linux flushes the former DomainID as well.
        (
            "AB",
            "HLdw (H)(L)(d)w d(d)w pw -(-) HLdw (H)(L)(d)w d(d)w",
            "L(L) d(d)w pw -(-)",
        ),
        (
            "AC",
            "HLdw (H)(L)(d)w d(d)w pw -(-) +(+) HLdw (H)(L)(d)w d(d)w",
            "+(+) L(L) d(d)w pw -(-)",
        ),
        (
            "VW",
            "LHdw (L)(H)(d)w d(d)w pw -(-) Gpwu tGpw +(+) HLdw (H)(L)(d)w d(d)w",
            "+(+) tG pw -(-)",
        ),
        (
            "Vv",
            "LHdw (L)(H)(d)w d(d)w pw -(-) Gpwu tGpw +(+) HLdw (H)(L)(d)w d(d)w",
            "+(+) t L(L)d(d)w Gpw HL(H)(L)d(d)w pw -(-)",
        ),
        (
            "IV",
            "LHdw (L)(H)(d)w d(d)w pw tGpw +(+) HLdw (H)(L)(d)w d(d)w",
            "+(+) tG L(L) d(d)w",
        ),
        (
            "Iv",
            "LHdw (L)(H)(d)w d(d)w pw tGpw +(+) HLdw (H)(L)(d)w d(d)w",
            "+(+) tG L(L)d(d)w HL(H)(L)d(d)w",
        ),
        ("BA", "+(+) HLdw (H)(L)(d)w d(d)w", "+(+) L(L) d(d)w"),
        ("AA", "", ""),
        ("II", "", ""),
    ];
    for (what, linux, store128) in cases {
        for (protocol, expected) in [(0, linux), (1, store128)] {
            let bench = Bench::new(protocol)?;
            let [a, c] = [bench.space(WIDE, false, 0)?, bench.space(WIDE, false, 0)?];
            let [v, w] = [bench.space(WIDE, true, 0)?, bench.space(WIDE, true, 0)?];
            let narrow = bench.space(super::NARROW, true, 0)?;
            let target = |letter| {
                Some(match letter {
                    b'B' => Target::Blocked,
                    b'I' => Target::Identity,
                    b'A' => Target::Paging(a.clone()),
                    b'C' => Target::Paging(c.clone()),
                    b'V' => Target::Paging(v.clone()),
                    b'W' => Target::Paging(w.clone()),
                    b'v' => Target::Paging(narrow.clone()),
                    _ => return None,
                })
            };
            let mut letters = what.bytes();
            if let Some(from) = letters.next().and_then(target) {
                go(&bench, None, &from)?;
            }
            let to = letters.next().and_then(target).ok_or(EINVAL)?;
            check_script(&bench, what, expected, || go(&bench, None, &to))?;
        }
    }
    Ok(())
}

pub(super) fn pasid_moves_are_these_steps() -> Outcome {
    // The RID's place, then from where to where the PASID goes.
    let cases = [
        (
            "B0V",
            "HLdw (H)(L)(d)w d(d)w +(+) tGpw",
            "HL(H)(L) d(d)w +(+) tGpw",
        ),
        (
            "BV0",
            "Gpw -(-) u LHdw (L)(H)(d)w d(d)w",
            "Gpw u -(-) L(L) d(d)w pw",
        ),
        ("I0V", "+(+) tGpw", "+(+) tGpw"),
        ("IVW", "Gpw -(-) u +(+) tGpw", "+(+) tGpw -(-)"),
        ("VVV", "", ""),
        ("VV0", "Gpw -(-) u", "Gpw u -(-)"),
        // Another depth: only Linux has DMA pass untranslated meanwhile.
        (
            "I0v",
            "LdwHLdw (L)(d)w(H)(L)(d)w d(d)w +(+) tGpw",
            "L(L)d(d)w HL(H)(L)d(d)w +(+) tGpw",
        ),
    ];
    for (what, linux, store128) in cases {
        for (protocol, expected) in [(0, linux), (1, store128)] {
            let bench = Bench::new(protocol)?;
            let [v, w] = [bench.space(WIDE, true, 0)?, bench.space(WIDE, true, 0)?];
            let narrow = bench.space(super::NARROW, true, 0)?;
            let target = |letter: Option<u8>| match letter {
                Some(b'I') => Target::Identity,
                Some(b'V') => Target::Paging(v.clone()),
                Some(b'W') => Target::Paging(w.clone()),
                Some(b'v') => Target::Paging(narrow.clone()),
                _ => Target::Blocked,
            };
            let [rid, from, to] = [0, 1, 2].map(|at| target(what.as_bytes().get(at).copied()));
            go(&bench, None, &rid)?;
            go(&bench, Some(2), &from)?;
            check_script(&bench, what, expected, || go(&bench, Some(2), &to))?;
        }
    }
    Ok(())
}

pub(super) fn nested_moves_are_these_steps() -> Outcome {
    // From where to where, and where from before that. N and M are nested in A, n with another
    // depth too; O is in C.
    let cases = [
        ("0N", "HLdw (H)(L)(d)w d(d)w", "+(+)+(+) L(L) d(d)w"),
        ("BN", "HLdw (H)(L)(d)w d(d)w", "+(+)+(+) L(L) d(d)w"),
        // In Linux it is not listed, but profits where somebody is on the parent.
        ("AN", "+(+) HLdw (H)(L)(d)w d(d)w", "+(+)+(+) L(L) d(d)w pw"),
        ("CN", "HLdw (H)(L)(d)w d(d)w", "+(+)+(+) L(L) d(d)w pw -(-)"),
        ("NM", "L(L) d(d)w", "+(+)+(+) L(L) d(d)w pw -(-)"),
        ("NO", "L(L) d(d)w", "+(+)+(+) L(L) d(d)w pw -(-)-(-)"),
        (
            "Nn",
            "LdwHLdw (L)(d)w(H)(L)(d)w d(d)w",
            "+(+)+(+) L(L)d(d)w HL(H)(L)d(d)w pw -(-)",
        ),
        (
            "NA",
            "+(+) LHdw (L)(H)(d)w d(d)w pw",
            "+(+) L(L) d(d)w pw -(-)",
        ),
        ("NB", "LHdw (L)(H)(d)w d(d)w", "L(L) d(d)w pw -(-)-(-)"),
        (
            "NI",
            "LdwHLdw (L)(d)w(H)(L)(d)w d(d)w pw",
            "L(L)d(d)w HL(H)(L)d(d)w pw -(-)-(-)",
        ),
        // Linux goes by what it takes the endpoint to be on.
        ("ANA", "", "+(+) L(L) d(d)w pw -(-)"),
        (
            "ANB",
            "LHdw (L)(H)(d)w d(d)w ppppw -(-) HLdw (H)(L)(d)w d(d)w",
            "L(L) d(d)w pw -(-)-(-)",
        ),
        (
            "CNA",
            "LHdw (L)(H)(d)w d(d)w ppw -(-) +(+) HLdw (H)(L)(d)w d(d)w",
            "+(+) L(L) d(d)w pw -(-)",
        ),
    ];
    for (what, linux, store128) in cases {
        for (protocol, expected) in [(0, linux), (1, store128)] {
            let bench = Bench::new(protocol)?;
            let [a, c] = [bench.space(WIDE, false, 0)?, bench.space(WIDE, false, 0)?];
            let nested = |parent, levels, domain| {
                let entry = Dte::of_guest(levels, domain);
                Ok::<_, Error>(Target::Paging(bench.unit.new_nested(parent, &entry)?))
            };
            let nested = [
                (b'N', nested(&a, 4, 1)?),
                (b'M', nested(&a, 4, 2)?),
                (b'n', nested(&a, 5, 3)?),
                (b'O', nested(&c, 4, 1)?),
                (b'A', Target::Paging(a)),
                (b'C', Target::Paging(c)),
                (b'I', Target::Identity),
                (b'B', Target::Blocked),
            ];
            let target = |letter| nested.iter().find(|of| of.0 == letter).map(|of| &of.1);
            let Some((to, before)) = what.as_bytes().split_last() else {
                continue;
            };
            for from in before.iter().filter_map(|letter| target(*letter)) {
                go(&bench, None, from)?;
            }
            let to = target(*to).ok_or(EINVAL)?;
            check_script(&bench, what, expected, || go(&bench, None, to))?;
        }
    }
    Ok(())
}

pub(super) fn new_top_is_these_steps() -> Outcome {
    let one = "HLdw (H)(L)(d)w d(d)w pw (H)(L)(d)w";
    let cases = [
        (0, &[one, one, "d(d) d(d) w"][..]),
        (1, &["L(L)d(d) L(L)d(d) w"][..]),
    ];
    for (protocol, expected) in cases {
        let bench = Bench::new(protocol)?;
        let space = bench.space(WIDE, false, 0)?;
        let to = Target::Paging(space.clone());
        for endpoint in [WIDE, super::SIMPLE] {
            check_eq!(bench.attach(endpoint, None, &to), Ok(()));
        }
        let script = script(&bench, || {
            Ok(space.map(1 << 45, 0, 0x1000, 1, Prot::RW).result?)
        })?;
        let expected = expected.iter().flat_map(|part| part.bytes());
        let expected = expected.filter(|letter| *letter != b' ');
        check!(script.iter().copied().eq(expected), "{}", show(&script));
    }
    Ok(())
}

pub(super) fn dirty_tracking_is_these_steps() -> Outcome {
    for (protocol, expected) in [(0, "D d(d) pw"), (1, "L(L) d(d)w pw")] {
        let bench = Bench::new(protocol)?;
        let space = bench.space(WIDE, false, 0)?;
        let to = Target::Paging(space.clone());
        check_eq!(bench.attach(WIDE, None, &to), Ok(()));
        for (enable, expected) in [(true, expected), (true, ""), (false, expected)] {
            check_script(&bench, "dirty", expected, || {
                Ok(space.set_dirty_tracking(enable)?)
            })?;
        }
        // Who comes later is tracked from the start.
        space.set_dirty_tracking(true)?;
        check_eq!(bench.attach(super::SIMPLE, None, &to), Ok(()));
        let at = bench.unit.machine().model().device_table;
        for id in [0, 1] {
            let word = bench.unit.machine().load(at + id * dte::SIZE)?;
            check_eq!(dte::HAD.get(&[word]), 3);
        }
        let guest = bench.space(WIDE, true, 0)?;
        check_eq!(guest.set_dirty_tracking(true), Err(errno::eopnotsupp()));
    }
    Ok(())
}

pub(super) fn device_iotlbs_are_flushed_last() -> Outcome {
    // Without PASID: linux, store128, and what unmapping flushes. A and C are host tables.
    let cases = [
        (
            "AC",
            "HLdw (H)(L)(d)w d(d)iw piw -(-) +(+) HLdw (H)(L)(d)w d(d)iw",
            "+(+) L(L) d(d)iw pw -(-)",
        ),
        (
            "VW",
            "LHdw (L)(H)(d)w d(d)iw piw -(-) Gpiwu tGpiw +(+) HLdw (H)(L)(d)w d(d)iw",
            "+(+) tG piw -(-)",
        ),
        (
            "IB",
            "LHdw (L)(H)(d)w d(d)iw piw HLdw (H)(L)(d)w d(d)iw",
            "L(L) d(d)iw",
        ),
    ];
    for (what, linux, store128) in cases {
        for (protocol, expected) in [(0, linux), (1, store128)] {
            let bench = Bench::with(protocol, |endpoint| endpoint.resettable = true)?;
            let [a, c] = [bench.space(WIDE, false, 0)?, bench.space(WIDE, false, 0)?];
            let [v, w] = [bench.space(WIDE, true, 0)?, bench.space(WIDE, true, 0)?];
            let targets = match what {
                "AC" => [Target::Paging(a), Target::Paging(c)],
                "VW" => [Target::Paging(v), Target::Paging(w)],
                _ => [Target::Identity, Target::Blocked],
            };
            let [from, to] = &targets;
            go(&bench, None, from)?;
            check_script(&bench, what, expected, || go(&bench, None, to))?;
            if let Target::Paging(space) = to {
                check_script(&bench, "unmap", "piw", || {
                    check_eq!(super::unmap(space), 0x1000);
                    Ok(())
                })?;
            }
        }
    }
    // Of a PASID, which is on no other list.
    for (protocol, expected) in [(0, "Gpiw -(-) u +(+) tGpiw"), (1, "+(+) tGpiw -(-)")] {
        let bench = Bench::with(protocol, |endpoint| endpoint.resettable = true)?;
        let [v, w] = [bench.space(WIDE, true, 0)?, bench.space(WIDE, true, 0)?];
        let (from, to) = (Target::Paging(v), Target::Paging(w.clone()));
        go(&bench, None, &Target::Identity)?;
        go(&bench, Some(2), &from)?;
        check_script(&bench, "PASID", expected, || go(&bench, Some(2), &to))?;
        check_script(&bench, "unmap", "piw", || {
            check_eq!(super::unmap(&w), 0x1000);
            Ok(())
        })?;
    }
    Ok(())
}

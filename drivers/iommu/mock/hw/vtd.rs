// SPDX-License-Identifier: GPL-2.0

//! The hardware of Intel VT-d, in legacy and in scalable mode.
//!
//! What the specification leaves to an implementation is a register here, or a choice named where
//! it is made: entries of the root table and of PASID directories are never cached, as no driver
//! changes one that is present.

pub(crate) mod descriptor;
pub(crate) mod entry;
mod field;
mod order;
mod tag;
pub(crate) mod walk;

pub(crate) use self::{
    descriptor::{
        Descriptor,
        Pages, //
    },
    field::Field,
    order::Order,
    tag::Key, //
};

use self::walk::{
    Walker,
    FIRST,
    SECOND, //
};
use super::{
    model::{
        Command,
        Fetch,
        Model,
        Next,
        Requester,
        Stage,
        Tag,
        Translation,
        Words, //
    },
    Memory,
};
use kernel::fmt;

/// The PASID under which requests without one are looked up. Context entries have a field for it,
/// which is 0 in all of Linux, and which this hardware does not look at.
pub(crate) const RID_PASID: u32 = 0;

/// Domain identifier of entries that are not present, where those are cached.
pub(crate) const NOT_PRESENT_DID: u16 = 0;

/// [`Fetch::kind`]: root entry.
pub(crate) const ROOT: u8 = 0;
/// [`Fetch::kind`]: context entry, of either mode.
pub(crate) const CONTEXT: u8 = 1;
/// [`Fetch::kind`]: entry of a PASID directory.
pub(crate) const DIRECTORY: u8 = 2;
/// [`Fetch::kind`]: entry of a PASID table.
pub(crate) const PASID: u8 = 3;

/// Translation table mode, as in the root-table address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One context entry for each function, no PASIDs.
    Legacy,
    /// A context entry leads to a table with an entry for each PASID.
    Scalable,
}

/// The registers of one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    /// TTM.
    pub(crate) mode: Mode,
    /// RTA: address of the root table.
    pub(crate) root: u64,
    /// Words of a context or PASID entry that are read in one go; a power of two.
    pub(crate) fetch_unit: u32,
    /// CM: entries that are not present are cached too.
    pub(crate) caching_mode: bool,
    /// Which descriptors overtake which.
    pub(crate) order: Order,
}

/// The PASID that a request is looked up under.
fn pasid_of(from: Requester) -> u32 {
    from.pasid.unwrap_or(RID_PASID)
}

/// The levels that an AW field stands for.
fn levels_of(aw: u64) -> Option<u32> {
    match aw {
        1..=3 => Some(aw as u32 + 2),
        _ => None,
    }
}

impl Registers {
    fn fetch(&self, kind: u8, at: u64, words: u32) -> Next {
        let entry = kind == CONTEXT || kind == PASID;
        Next::Fetch(Fetch {
            at,
            words,
            unit: match entry {
                true => self.fetch_unit.min(words),
                false => words,
            },
            kind,
            cached: entry,
        })
    }

    fn root(&self, from: Requester) -> Next {
        match u16::try_from(from.id) {
            Ok(sid) => {
                let bus = u64::from(sid >> 8);
                let at = self.root + bus * u64::from(entry::root::WORDS) * 8;
                self.fetch(ROOT, at, entry::root::WORDS)
            }
            Err(_) => Next::Abort("no such source"),
        }
    }

    fn context(&self, from: Requester, root: &Words) -> Next {
        use entry::root::*;
        let function = from.id & 0xff;
        let (p, table, index, words) = match self.mode {
            Mode::Legacy => (P, CTP, function, entry::context::WORDS),
            Mode::Scalable if function < 0x80 => (LP, LCTP, function, entry::scalable::WORDS),
            Mode::Scalable => (UP, UCTP, function & 0x7f, entry::scalable::WORDS),
        };
        if p.get(root) == 0 {
            return Next::Abort("root entry not present");
        }
        let at = table.address(root) + u64::from(index) * u64::from(words) * 8;
        self.fetch(CONTEXT, at, words)
    }

    fn directory(&self, from: Requester, context: &Words) -> Next {
        use entry::scalable::*;
        if P.get(context) == 0 {
            return Next::Abort("context entry not present");
        }
        if from.pasid.is_some() && PASIDE.get(context) == 0 {
            return Next::Abort("PASID not enabled");
        }
        let index = u64::from(pasid_of(from) / entry::PASIDS);
        if index >> (PDTS.get(context) + 7) != 0 {
            return Next::Abort("PASID beyond the directory");
        }
        let at = PASIDDIRPTR.address(context) + index * 8;
        self.fetch(DIRECTORY, at, entry::directory::WORDS)
    }

    fn pasid(&self, from: Requester, directory: &Words) -> Next {
        use entry::directory::*;
        if P.get(directory) == 0 {
            return Next::Abort("PASID directory entry not present");
        }
        let index = u64::from(pasid_of(from) & (entry::PASIDS - 1));
        let at = SMPTBLPTR.address(directory) + index * u64::from(entry::pasid::WORDS) * 8;
        self.fetch(PASID, at, entry::pasid::WORDS)
    }
}

/// What a context entry of legacy mode says.
fn by_context(from: Requester, words: &Words) -> Next {
    use entry::context::*;
    if P.get(words) == 0 {
        return Next::Abort("context entry not present");
    }
    if from.pasid.is_some() {
        return Next::Abort("PASID in legacy mode");
    }
    match TT.get(words) {
        TT_MULTI_LEVEL | TT_DEV_IOTLB => (),
        TT_PASS_THROUGH => return Next::Bypass,
        _ => return Next::Abort("reserved TT"),
    }
    let Some(levels) = levels_of(AW.get(words)) else {
        return Next::Abort("reserved AW");
    };
    let did = DID.get(words) as u16;
    Next::Translate(Translation {
        tag: Key::Second { did }.tag(),
        first: Stage {
            root: SSPTPTR.address(words),
            levels,
            format: SECOND,
        },
        second: None,
        marks: false,
    })
}

/// What a PASID entry says.
fn by_pasid(from: Requester, words: &Words) -> Next {
    use entry::pasid::*;
    if P.get(words) == 0 {
        return Next::Abort("PASID entry not present");
    }
    let (did, pasid) = (DID.get(words) as u16, pasid_of(from));
    let second = levels_of(AW.get(words)).map(|levels| Stage {
        root: SSPTPTR.address(words),
        levels,
        format: SECOND,
    });
    let first = match FSPM.get(words) {
        mode @ 0..=1 => Some(Stage {
            root: FSPTPTR.address(words),
            levels: mode as u32 + 4,
            format: FIRST,
        }),
        _ => None,
    };
    let (key, first, second) = match PGTT.get(words) {
        PGTT_PASS_THROUGH => return Next::Bypass,
        PGTT_FIRST => (Key::First { did, pasid }, first, None),
        PGTT_SECOND => (Key::Second { did }, second, None),
        PGTT_NESTED if second.is_none() => return Next::Abort("reserved AW"),
        PGTT_NESTED => (Key::Nested { did, pasid }, first, second),
        _ => return Next::Abort("reserved PGTT"),
    };
    let Some(first) = first else {
        return Next::Abort("reserved AW or FSPM");
    };
    Next::Translate(Translation {
        tag: key.tag(),
        first,
        second,
        marks: SSADE.get(words) != 0,
    })
}

impl Model for Registers {
    fn next(&self, from: Requester, read: &[Words]) -> Next {
        match (read, self.mode) {
            ([], _) => self.root(from),
            ([root], _) => self.context(from, root),
            ([_, context], Mode::Legacy) => by_context(from, context),
            ([_, context], Mode::Scalable) => self.directory(from, context),
            ([_, _, directory], _) => self.pasid(from, directory),
            ([_, _, _, entry], _) => by_pasid(from, entry),
            _ => Next::Abort("too deep"),
        }
    }

    fn walk(
        &self,
        memory: &dyn Memory,
        by: &Translation,
        iova: u64,
        visit: &mut dyn FnMut(u64),
    ) -> Option<u64> {
        Walker::new(memory, by, visit).translate(by.first, iova)
    }

    fn written(&self, by: &Translation, word: u64) -> Option<u64> {
        walk::written(by, word)
    }

    fn keeps(&self, _of: &Fetch, words: &Words) -> bool {
        // P is the same bit in all entries that are cached.
        self.caching_mode || entry::pasid::P.get(words) != 0
    }

    fn drops_entry(&self, command: Command, from: Requester, of: &Fetch, words: &Words) -> bool {
        let Some(descriptor) = Descriptor::decode(command) else {
            return false;
        };
        match of.kind {
            CONTEXT => self.drops_context(descriptor, from, words),
            PASID => drops_pasid(descriptor, from, words),
            _ => false,
        }
    }

    fn drops_translation(&self, command: Command, tag: Tag, iova: u64) -> bool {
        let (Some(descriptor), Some(key)) = (Descriptor::decode(command), Key::of(tag)) else {
            return false;
        };
        match (descriptor, key) {
            (Descriptor::IotlbGlobal, _) => true,
            (
                Descriptor::IotlbDomain { did: of },
                Key::Second { did } | Key::Nested { did, .. },
            ) => of == did,
            // Which addresses of the first stage lead through the pages is not known.
            (Descriptor::IotlbPage { did: of, .. }, Key::Nested { did, .. }) => of == did,
            (Descriptor::IotlbPage { did: of, pages }, Key::Second { did }) => {
                of == did && pages.cover(iova)
            }
            (
                Descriptor::PasidIotlb { did: of, pasid: by },
                Key::First { did, pasid } | Key::Nested { did, pasid },
            ) => (of, by) == (did, pasid),
            (
                Descriptor::PasidIotlbPage {
                    did: of,
                    pasid: by,
                    pages,
                },
                Key::First { did, pasid } | Key::Nested { did, pasid },
            ) => (of, by) == (did, pasid) && pages.cover(iova),
            _ => false,
        }
    }

    fn drops_tables(&self, command: Command, tag: Tag, iova: u64) -> bool {
        let hint = match Descriptor::decode(command) {
            Some(
                Descriptor::IotlbPage { pages, .. } | Descriptor::PasidIotlbPage { pages, .. },
            ) => pages.ih,
            _ => false,
        };
        !hint && self.drops_translation(command, tag, iova)
    }

    fn ats(&self, _from: Requester, read: &[Words]) -> bool {
        // Nobody reads a PASID entry for an access that is translated already, but the context
        // entry (4.2.5).
        let Some(context) = read.get(1) else {
            return false;
        };
        match self.mode {
            Mode::Legacy => {
                use entry::context::*;
                let valid = P.get(context) != 0 && levels_of(AW.get(context)).is_some();
                valid && TT.get(context) == TT_DEV_IOTLB
            }
            Mode::Scalable => {
                use entry::scalable::*;
                P.get(context) != 0 && DTE.get(context) != 0
            }
        }
    }

    fn drops_kept(&self, command: Command, from: Requester, iova: u64) -> bool {
        // With a PASID it is about what was asked for with that, and without one about what was
        // asked for without: the narrower reading of what PCI Express has endpoints do.
        match Descriptor::decode(command) {
            Some(Descriptor::DeviceTlb { sid, pages }) => {
                from.id == u32::from(sid) && from.pasid.is_none() && pages.cover(iova)
            }
            Some(Descriptor::PasidDeviceTlb { sid, pasid, pages }) => {
                from.id == u32::from(sid) && from.pasid == Some(pasid) && pages.cover(iova)
            }
            _ => false,
        }
    }

    fn overtakes(&self, later: Command, earlier: Command) -> bool {
        match (Descriptor::decode(later), Descriptor::decode(earlier)) {
            (Some(later), Some(earlier)) => self.order.allows(later, earlier),
            _ => true,
        }
    }

    fn show_command(&self, command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Descriptor::decode(command) {
            Some(descriptor) => descriptor.show(f),
            None => write!(f, "bad descriptor {:x?}", command.0),
        }
    }

    fn show_tag(&self, tag: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Key::of(tag) {
            Some(Key::Second { did }) => write!(f, "DID {did}"),
            Some(Key::First { did, pasid }) => write!(f, "DID {did} PASID {pasid}"),
            Some(Key::Nested { did, pasid }) => write!(f, "DID {did} PASID {pasid} nested"),
            None => write!(f, "bad tag {:#x}", tag.0),
        }
    }

    fn show_entry(&self, kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        entry::show(self.mode, kind, words, f)
    }
}

impl Registers {
    fn drops_context(&self, descriptor: Descriptor, from: Requester, words: &Words) -> bool {
        use entry::context::*;
        let tagged = match (self.mode, P.get(words)) {
            // There is no DID in an entry, and that of a descriptor is ignored.
            (Mode::Scalable, _) => None,
            (Mode::Legacy, 0) => Some(NOT_PRESENT_DID),
            (Mode::Legacy, _) => Some(DID.get(words) as u16),
        };
        let of = |did| tagged.is_none_or(|tagged| tagged == did);
        match descriptor {
            Descriptor::ContextGlobal => true,
            Descriptor::ContextDomain { did } => of(did),
            Descriptor::ContextDevice { did, sid, fm } => {
                // Function mask: bit 2, bits 2:1 or bits 2:0 are not compared.
                let mask = match fm {
                    0 => 0,
                    1 => 0b100,
                    2 => 0b110,
                    _ => 0b111,
                };
                of(did) && (from.id | mask) == (u32::from(sid) | mask)
            }
            _ => false,
        }
    }
}

/// A PASID entry that is not present goes whatever the DID: which it has been remembered under is
/// not told, and drivers name the new one.
fn drops_pasid(descriptor: Descriptor, from: Requester, words: &Words) -> bool {
    use entry::pasid::*;
    let of = |did| P.get(words) == 0 || DID.get(words) == u64::from(did);
    match descriptor {
        Descriptor::PasidCacheGlobal => true,
        Descriptor::PasidCacheDomain { did } => of(did),
        Descriptor::PasidCache { did, pasid } => of(did) && pasid == pasid_of(from),
        _ => false,
    }
}

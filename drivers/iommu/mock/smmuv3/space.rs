// SPDX-License-Identifier: GPL-2.0

//! Address spaces: page tables, with their tag and the list of what to invalidate.

mod nested;

use self::nested::Guest;
use super::{
    super::{
        hw::{
            frozen::Frozen,
            machine::Machine,
            model::{
                Tag,
                Translation,
                Words, //
            },
            smmuv3::{
                cd,
                geometry,
                tag,
                Smmuv3, //
            },
            step::Note,
            Memory, //
        },
        unit::Space,
    },
    entries::{
        self,
        Abilities,
        Stage1,
        Stage2,
        Tcr, //
    },
    flush,
    ids::{
        Id,
        Ids, //
    },
    invs::{
        Inv,
        Invs,
        Kind, //
    },
};
use crate::{
    iommu::{
        Aperture,
        Gather,
        Progress,
        Prot, //
    },
    kapi::{
        errno,
        new_mutex,
        Mutex, //
    },
    pgtable::{
        Armv8Stage1,
        Armv8Stage2,
        PageTable,
        Top,
        User, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// What spaces share with their unit.
pub(super) struct Home {
    pub(super) machine: Arc<Machine<Smmuv3>>,
    pub(super) asids: Arc<Ids>,
    pub(super) vmids: Arc<Ids>,
}

/// Bits of an input address of 3 and 4 levels.
const INPUT_BITS: [u32; 2] = [39, 48];

enum Stage {
    One(Arc<PageTable<Armv8Stage1>>),
    /// Stage 1 where hardware marks what is written, for as long as it lives.
    Marked(Arc<PageTable<Armv8Stage1<true>>>),
    Two(Arc<PageTable<Armv8Stage2>>),
    Nested(Arc<PageTable<Armv8Stage1>>, Guest),
}

/// Does the same with the tables of either stage.
macro_rules! on_tables {
    ($space:expr, |$words:ident| $do:expr) => {
        match &$space.stage {
            Stage::One($words) | Stage::Nested($words, _) => $do,
            Stage::Marked($words) => $do,
            Stage::Two($words) => $do,
        }
    };
}

/// See the module.
#[pin_data(PinnedDrop)]
pub(crate) struct Smmuv3Space {
    number: u64,
    stage: Stage,
    /// The same as `stage`, as hardware sees it.
    memory: Arc<dyn Memory>,
    /// ASID or VMID; a guest's ASID where it is nested.
    id: Id,
    /// ASIDs of a guest, for what is nested in this.
    guest: Option<Arc<Ids>>,
    #[pin]
    invs: Mutex<Invs>,
    machine: Arc<Machine<Smmuv3>>,
}

/// Invalidations that one attachment needs.
pub(super) struct InvsOf {
    all: [Inv; 3],
    count: usize,
}

impl InvsOf {
    pub(super) fn as_slice(&self) -> &[Inv] {
        self.all.get(..self.count).unwrap_or(&self.all)
    }
}

impl Smmuv3Space {
    /// Makes an empty stage 1 table of 48 bits.
    ///
    /// # Errors
    ///
    /// ENOSPC without an ASID, ENOMEM.
    pub(super) fn stage1(home: &Home) -> Result<Arc<Self>> {
        let tables = Arc::pin_init(PageTable::new(4), GFP_KERNEL)?;
        let (memory, stage) = (tables.clone(), Stage::One(tables));
        Self::new(&home.machine, stage, memory, home.asids.take()?, None)
    }

    /// The same where hardware marks what is written.
    ///
    /// # Errors
    ///
    /// Those of [`Self::stage1`].
    pub(super) fn marked(home: &Home) -> Result<Arc<Self>> {
        let tables = Arc::pin_init(PageTable::new(4), GFP_KERNEL)?;
        let (memory, stage) = (tables.clone(), Stage::Marked(tables));
        Self::new(&home.machine, stage, memory, home.asids.take()?, None)
    }

    /// Makes an empty stage 2 table of at least `bits` bits, under which others can be nested or
    /// not.
    ///
    /// # Errors
    ///
    /// ENOSPC without a VMID, ENOMEM.
    pub(super) fn stage2(home: &Home, bits: u32, is_parent: bool) -> Result<Arc<Self>> {
        let [small, _] = INPUT_BITS;
        let levels = 3 + u32::from(bits > small);
        let tables = Arc::pin_init(PageTable::new(levels), GFP_KERNEL)?;
        let (memory, stage) = (tables.clone(), Stage::Two(tables));
        let guest = match is_parent {
            true => Some(Arc::pin_init(Ids::new(), GFP_KERNEL)?),
            false => None,
        };
        Self::new(&home.machine, stage, memory, home.vmids.take()?, guest)
    }

    fn new(
        machine: &Arc<Machine<Smmuv3>>,
        stage: Stage,
        memory: Arc<dyn Memory>,
        id: Id,
        guest: Option<Arc<Ids>>,
    ) -> Result<Arc<Self>> {
        static NEXT: Atomic<u64> = Atomic::new(1);
        let walked = memory.clone();
        let space = pin_init!(Self {
            number: NEXT.fetch_add(1, Relaxed),
            stage,
            memory,
            id,
            guest,
            invs <- new_mutex!(Invs::new(), "Smmuv3Space::invs"),
            machine: machine.clone(),
        });
        let space = Arc::pin_init(space, GFP_KERNEL)?;
        machine.note(Note::Tagged(space.number, space.tag()));
        machine.add_tables(walked)?;
        Ok(space)
    }

    /// It is a stage 1, and lives in CDs.
    pub(crate) fn is_stage1(&self) -> bool {
        matches!(self.stage, Stage::One(_) | Stage::Marked(_))
    }

    /// Keys what hardware knows of it.
    pub(super) fn tag(&self) -> Tag {
        match &self.stage {
            Stage::One(_) | Stage::Marked(_) => tag::stage1(0, self.id.get()),
            Stage::Two(_) => tag::stage2(self.id.get()),
            Stage::Nested(_, guest) => tag::stage1(guest.vmid(), self.id.get()),
        }
    }

    /// What has to be invalidated when something is unmapped. What is nested is on the list of its
    /// parent, as its guest knows by itself.
    pub(super) fn invs(&self) -> &Mutex<Invs> {
        match &self.stage {
            Stage::One(_) | Stage::Marked(_) | Stage::Two(_) => &self.invs,
            Stage::Nested(_, guest) => guest.parent().invs(),
        }
    }

    /// Numbers of the spaces in which unmapping flushes for whoever is on this one.
    pub(super) fn listed_with(&self) -> impl Iterator<Item = u64> + '_ {
        let parent = match &self.stage {
            Stage::One(_) | Stage::Marked(_) | Stage::Two(_) => None,
            Stage::Nested(_, guest) => Some(guest.parent().number),
        };
        Iterator::chain(core::iter::once(self.number), parent)
    }

    /// What one attachment adds to the list, the tag first.
    pub(super) fn invs_of(&self, sid: u32, ssid: Option<u32>, ats: bool) -> InvsOf {
        if let Stage::Nested(_, guest) = &self.stage {
            return guest.parent().invs_of(sid, ssid, ats);
        }
        let of_tag = |kind| Inv {
            kind,
            id: self.id.get().into(),
            ssid: 0,
        };
        let of_endpoint = |kind| Inv {
            kind,
            id: sid,
            ssid: ssid.unwrap_or(0),
        };
        let (all, tags) = match (self.is_stage1(), &self.guest) {
            (true, _) => {
                let ats = of_endpoint(Kind::Ats);
                ([of_tag(Kind::S1Asid), ats, ats], 1)
            }
            (false, None) => {
                let ats = of_endpoint(Kind::Ats);
                ([of_tag(Kind::S2Vmid), ats, ats], 1)
            }
            (false, Some(_)) => {
                let (stage2, stage1) = (of_tag(Kind::S2Vmid), of_tag(Kind::S2VmidS1Clear));
                ([stage2, stage1, of_endpoint(Kind::AtsFull)], 2)
            }
        };
        InvsOf {
            all,
            count: tags + usize::from(ats),
        }
    }

    fn top(&self) -> Top {
        on_tables!(self, |words| words.top())
    }

    fn tcr(&self) -> Tcr {
        let [small, large] = INPUT_BITS;
        Tcr::for_input_bits(match self.top().level {
            3 => large,
            _ => small,
        })
    }

    /// The CD of a stage 1.
    pub(super) fn cd(&self) -> Words {
        let stage1 = Stage1 {
            asid: self.id.get(),
            ttb: self.top().root,
            mair: entries::MAIR,
            tcr: self.tcr(),
        };
        let mut cd = entries::s1_cd(&stage1, Abilities::default());
        if let Stage::Marked(_) = &self.stage {
            cd::HA.set(&mut cd, 1);
            cd::HD.set(&mut cd, 1);
        }
        cd
    }

    /// The STE of a stage 2, or of what is nested in one.
    pub(super) fn ste(&self, can: Abilities) -> Words {
        if let Stage::Nested(_, guest) = &self.stage {
            return guest.ste(can);
        }
        entries::s2_ste(&self.as_stage2(), can)
    }

    fn as_stage2(&self) -> Stage2 {
        let Top { root, level } = self.top();
        Stage2 {
            vmid: self.id.get(),
            ttb: root,
            sl0: u64::from(level).saturating_sub(1),
            tcr: self.tcr(),
        }
    }

    /// Whether hardware translates by this.
    pub(super) fn is(&self, by: &Translation) -> bool {
        let stage2 = |space: &Self| geometry::stage2(&space.ste(Abilities::default()));
        let (first, second) = match &self.stage {
            Stage::One(_) | Stage::Marked(_) => (geometry::stage1(&self.cd()), None),
            Stage::Two(_) => (stage2(self), None),
            Stage::Nested(_, guest) => (geometry::stage1(&self.cd()), stage2(guest.parent())),
        };
        by.tag == self.tag() && Some(by.first) == first && by.second == second
    }

    /// What unmapping makes hardware forget.
    fn forget(&self, range: flush::Range) {
        match &self.stage {
            Stage::One(_) | Stage::Marked(_) | Stage::Two(_) => {
                flush::range(&self.machine, self.invs.lock().all(), range);
            }
            Stage::Nested(_, guest) => guest.flush(&self.machine, self.id.get(), range),
        }
    }
}

impl User for Smmuv3Space {
    fn flush(&self, gather: &Gather) {
        let (first, last) = gather.range().unwrap_or((0, u64::MAX));
        self.forget(flush::Range {
            first,
            // A size that is too large becomes that of everything.
            size: last.wrapping_sub(first).wrapping_add(1),
            page: gather.page(),
            leaf: !gather.cuts_tables(),
        });
    }
}

impl Space for Smmuv3Space {
    fn number(&self) -> u64 {
        self.number
    }

    fn page_sizes(&self) -> u64 {
        on_tables!(self, |words| words.page_sizes())
    }

    fn aperture(&self) -> Aperture {
        on_tables!(self, |words| words.aperture())
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        let (mapped, result) = on_tables!(self, |words| words
            .map(self, iova, paddr, page, count, prot));
        let mut result = result.map_err(Error::from);
        if let (Stage::Nested(tables, guest), Ok(())) = (&self.stage, &result) {
            result = guest.back(tables);
        }
        Progress { mapped, result }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        let len = page.saturating_mul(count);
        on_tables!(self, |words| words.unmap(iova, len, gather))
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        on_tables!(self, |words| words.iova_to_phys(iova))
    }

    fn sync(&self, gather: &Gather) {
        User::flush(self, gather);
        self.give_back(gather);
        self.machine.note(Note::Return);
    }

    fn forget_all(&self) {
        self.machine.forget_translations();
    }

    fn give_back(&self, gather: &Gather) {
        on_tables!(self, |words| words.give_back(gather));
    }

    /// Hardware marks from the beginning, as in Linux, so that there is nothing to change.
    fn set_dirty_tracking(&self, _enable: bool) -> Result {
        match &self.stage {
            Stage::Marked(_) => Ok(()),
            Stage::One(_) | Stage::Two(_) | Stage::Nested(..) => Err(errno::eopnotsupp()),
        }
    }

    fn read_and_clear_dirty(
        &self,
        (first, last): (u64, u64),
        keep: bool,
        found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        on_tables!(self, |words| words.dirty(first, last, !keep, found));
        Ok(())
    }

    fn freeze(&self, into: &mut Frozen) -> Result {
        if let Stage::Nested(_, guest) = &self.stage {
            guest.parent().freeze(into)?;
        }
        on_tables!(self, |words| words
            .for_each_table(&mut |at, count, read| into.add(at, count, read)))
    }
}

#[pinned_drop]
impl PinnedDrop for Smmuv3Space {
    fn drop(self: Pin<&mut Self>) {
        // No list has the tag, so that the TLB has nothing under it: whoever left the space last
        // saw to that. A guest does so itself.
        if let Stage::Nested(_, guest) = &self.stage {
            guest.leave(&self.machine, self.id.get());
        }
        self.machine.note(Note::Freed(self.number));
        self.machine.remove_tables(&self.memory);
        self.machine.note(Note::Untagged(self.tag()));
    }
}

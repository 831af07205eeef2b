// SPDX-License-Identifier: GPL-2.0

//! What the hardware does with an access, and with commands (IHI 0070, 3.3 and 4).

use super::{
    super::{
        model::{
            Command,
            Fetch,
            Model,
            Next,
            Requester,
            Tag,
            Translation,
            Words, //
        },
        Memory, //
    },
    cd,
    command::{
        self,
        op, //
    },
    geometry,
    show,
    ste::{
        self,
        config,
        eats,
        s1dss, //
    },
    tag,
    walk, //
};
use kernel::fmt;

/// Kinds of entries.
pub(crate) enum Kind {
    /// Stream table entry.
    Ste = 0,
    /// Context descriptor.
    Cd = 1,
}

/// The registers, and what an implementation may choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Smmuv3 {
    /// SMMU_STRTAB_BASE.ADDR.
    pub(crate) strtab_base: u64,
    /// SMMU_STRTAB_BASE_CFG.LOG2SIZE.
    pub(crate) log2size: u32,
    /// Words of an entry that are read in one go; 1 is all that is guaranteed.
    pub(crate) fetch_unit: u32,
    /// Forgetting an STE forgets the CDs that were found through it, as some implementations do.
    pub(crate) cfgi_ste_drops_cds: bool,
}

impl Smmuv3 {
    /// Hardware that does no more than it must.
    pub(crate) const fn new(strtab_base: u64, log2size: u32) -> Self {
        Self {
            strtab_base,
            log2size,
            fetch_unit: 1,
            cfgi_ste_drops_cds: false,
        }
    }

    /// Address of the STE of a stream.
    pub(crate) fn ste(&self, sid: u32) -> u64 {
        self.strtab_base
            .wrapping_add(u64::from(sid).wrapping_mul(ste::BYTES))
    }

    fn fetch(&self, kind: Kind, at: u64) -> Next {
        Next::Fetch(Fetch {
            at,
            words: 8,
            unit: self.fetch_unit,
            kind: kind as u8,
            cached: true,
        })
    }

    /// What an STE says of an access.
    fn by_ste(&self, from: Requester, ste: &Words) -> Next {
        if !ste::V.is_set(ste) {
            return Next::Abort("C_BAD_STE");
        }
        let config = ste::CONFIG.get(ste);
        if config & config::PASSES == 0 {
            return Next::Abort("STE.Config");
        }
        let stage2 = match config & config::STAGE2 {
            0 => None,
            _ => match stage2_of(ste) {
                None => return Next::Abort("illegal STE"),
                stage => stage,
            },
        };
        if config & config::STAGE1 == 0 {
            return match from.pasid {
                Some(_) => Next::Abort("C_BAD_SUBSTREAMID"),
                None => stage2.map_or(Next::Bypass, Next::Translate),
            };
        }
        let substreams = ste::S1CDMAX.get(ste);
        // The only stream world and the only table format there are.
        if ste::STRW.get(ste) != 0 || (substreams != 0 && ste::S1FMT.get(ste) != 0) {
            return Next::Abort("illegal STE");
        }
        let dss = ste::S1DSS.get(ste);
        let ssid = match from.pasid {
            Some(ssid) if substreams == 0 || u64::from(ssid) >> substreams != 0 => {
                return Next::Abort("C_BAD_SUBSTREAMID");
            }
            Some(0) if dss == s1dss::SSID0 => return Next::Abort("C_BAD_SUBSTREAMID"),
            Some(ssid) => ssid,
            None if substreams == 0 || dss == s1dss::SSID0 => 0,
            None if dss == s1dss::BYPASS => {
                return stage2.map_or(Next::Bypass, Next::Translate);
            }
            None => return Next::Abort("F_STREAM_DISABLED"),
        };
        let table = ste::S1_CONTEXT_PTR.address(ste);
        let offset = u64::from(ssid).wrapping_mul(cd::BYTES);
        // In a nested configuration this is an IPA; such tables are mapped 1:1 here.
        self.fetch(Kind::Cd, table.wrapping_add(offset))
    }
}

/// How stage 2 of an STE translates; `None` where the STE is illegal.
fn stage2_of(ste: &Words) -> Option<Translation> {
    if ste::S2S.is_set(ste) && ste::EATS.get(ste) == eats::TRANS {
        return None;
    }
    Some(Translation {
        tag: tag::stage2(ste::S2VMID.get(ste) as u16),
        first: geometry::stage2(ste)?,
        second: None,
        marks: false,
    })
}

/// What a CD says of an access whose STE has stage 1.
fn by_cd(ste: &Words, cd: &Words) -> Next {
    if !cd::V.is_set(cd) || !cd::AA64.is_set(cd) || cd::ENDI.is_set(cd) {
        return Next::Abort("C_BAD_CD");
    }
    if cd::EPD0.is_set(cd) {
        return Next::Abort("F_TRANSLATION");
    }
    let Some(first) = geometry::stage1(cd) else {
        return Next::Abort("C_BAD_CD");
    };
    let second = match ste::CONFIG.get(ste) & config::STAGE2 {
        0 => None,
        _ => stage2_of(ste).map(|by| by.first),
    };
    Next::Translate(Translation {
        tag: tag::stage1(ste::S2VMID.get(ste) as u16, cd::ASID.get(cd) as u16),
        first,
        second,
        marks: cd::HA.is_set(cd) && cd::HD.is_set(cd),
    })
}

impl Model for Smmuv3 {
    fn next(&self, from: Requester, read: &[Words]) -> Next {
        match read {
            [] if from.id.checked_shr(self.log2size).unwrap_or(0) != 0 => {
                Next::Abort("C_BAD_STREAMID")
            }
            [] => self.fetch(Kind::Ste, self.ste(from.id)),
            [ste] => self.by_ste(from, ste),
            [ste, cd, ..] => by_cd(ste, cd),
        }
    }

    fn walk(
        &self,
        memory: &dyn Memory,
        by: &Translation,
        iova: u64,
        visit: &mut dyn FnMut(u64),
    ) -> Option<u64> {
        walk::walk(memory, by, iova, visit)
    }

    fn written(&self, by: &Translation, word: u64) -> Option<u64> {
        walk::written(by, word)
    }

    fn drops_entry(&self, command: Command, from: Requester, of: &Fetch, _words: &Words) -> bool {
        let words = &command.0;
        let is_ste = of.kind == Kind::Ste as u8;
        let sid = command::SID.get(words) as u32;
        let drops_ste = |same: bool| same && (is_ste || self.cfgi_ste_drops_cds);
        match command::OP.get(words) {
            op::CFGI_STE => drops_ste(from.id == sid),
            op::CFGI_STE_RANGE => match command::RANGE.get(words) as u32 {
                31 => true,
                range => drops_ste((from.id ^ sid) >> (range + 1) == 0),
            },
            op::CFGI_CD => {
                let ssid = u64::from(from.pasid.unwrap_or(0));
                !is_ste && from.id == sid && ssid == command::SSID.get(words)
            }
            op::CFGI_CD_ALL => !is_ste && from.id == sid,
            _ => false,
        }
    }

    fn drops_translation(&self, command: Command, tag: Tag, iova: u64) -> bool {
        command::drops_line(command, tag, iova)
    }

    fn drops_tables(&self, command: Command, tag: Tag, iova: u64) -> bool {
        command::drops_tables(command, tag, iova)
    }

    fn ats(&self, _from: Requester, read: &[Words]) -> bool {
        // Nobody reads a CD for an access that is translated already.
        let Some(ste) = read.first().filter(|ste| ste::V.is_set(*ste)) else {
            return false;
        };
        let config = ste::CONFIG.get(ste);
        let translates = config & config::PASSES != 0
            && match config & config::STAGE2 {
                0 => config & config::STAGE1 != 0,
                _ => stage2_of(ste).is_some(),
            };
        translates && ste::EATS.get(ste) == eats::TRANS
    }

    fn drops_kept(&self, command: Command, from: Requester, iova: u64) -> bool {
        command::drops_kept(command, from, iova)
    }

    fn show_command(&self, command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::command(command, f)
    }

    fn show_tag(&self, tag: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::tag(tag, f)
    }

    fn show_entry(&self, kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match kind == Kind::Ste as u8 {
            true => show::ste(words, f),
            false => show::cd(words, f),
        }
    }
}

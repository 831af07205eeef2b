// SPDX-License-Identifier: GPL-2.0

//! Soft and hard errors while a domain is looked for.

use super::script::Script;
use crate::{
    fixture::Setup,
    group::AddressSpace,
    iommu::{
        AttachError,
        EndpointId, //
    },
    mock::fault::{
        Op,
        Rule, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// An address space with devices that do not all fit one domain.
pub(super) fn act(script: &mut Script) -> Result {
    script.act("Looking for a domain: EMEDIUMTYPE means \"try another one\", all else stops");
    let fixture = Setup::ordinary(4)?
        .endpoint(1, |e| (e.group, e.bits) = (1, 32))
        .endpoint(2, |e| (e.group, e.bits) = (2, 32))
        .endpoint(3, |e| e.group = 3)
        .probe()?;
    script.say(fmt!(
        "   Devices 0 and 3 reach 48 bits of addresses, devices 1 and 2 only 32."
    ));
    let mut space = AddressSpace::new();
    let group = |at| -> Result<_> { Ok(fixture.endpoint(at)?.group().clone()) };

    let wide = space.attach(&*group(0)?)?;
    script.check(
        fmt!("device 0: no domain yet, one is made"),
        space.domains().len() == 1,
    );
    let narrow = space.attach(&*group(1)?)?;
    script.check(
        fmt!("device 1: the wide domain does not fit (soft), a narrow one is made"),
        space.domains().len() == 2 && !Arc::ptr_eq(&wide, &narrow),
    );
    let again = space.attach(&*group(2)?)?;
    script.check(
        fmt!("device 2: the wide domain does not fit (soft), the narrow one does"),
        space.domains().len() == 2 && Arc::ptr_eq(&again, &narrow),
    );
    fixture.fail(Rule::once(Op::Attach, ENOMEM).at(EndpointId(3)))?;
    let result = space.attach(&*group(3)?).map(|_| ());
    script.check(
        fmt!("device 3: out of memory (hard): the search stops, and makes no third domain"),
        result == Err(AttachError::Failed(ENOMEM)) && space.domains().len() == 2,
    );
    for (at, domain) in [(0, &wide), (1, &narrow), (2, &narrow)] {
        group(at)?.detach(domain);
    }
    Ok(())
}

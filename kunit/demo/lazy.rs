// SPDX-License-Identifier: GPL-2.0

//! When an unmapped page is out of reach.

use super::script::Script;
use crate::{
    iommu::DefaultType, layered::Layered, mock::hw::Reach, schedule::flush::VTD, system_type,
};
use kernel::prelude::*;

/// Memory that is mapped.
const MEMORY: u64 = 1 << 32;

/// Milliseconds that a lazy range waits at most.
const TIMEOUT: u64 = 1000;

/// Strict and lazy unmapping of a kernel driver's default domain, and the way from one to the
/// other.
pub(super) fn act(script: &mut Script) -> Result {
    script.act("Strict or lazy: when an unmapped page is out of reach");
    let scene = Layered::new(Some(VTD), system_type(), true)?;
    let group = scene.endpoint.group();
    let what = match system_type() {
        DefaultType::DmaLazy => "lazy, as dma_lazy=1 says",
        _ => "strict, as dma_lazy=0 says",
    };
    script.check(
        fmt!("the default domain is {what}"),
        scene.default_type() == Some(system_type()),
    );
    group.set_default_type(Some(DefaultType::Dma))?;

    scene.endpoint.use_default()?;
    let first = used(&scene)?;
    scene.unmap(first)?;
    script.check(
        fmt!("strict: no DMA gets to a page once it is unmapped"),
        scene.reach(first) == Reach::Aborted,
    );
    let again = used(&scene)?;
    script.check(
        fmt!("and its address is used again at once"),
        again == first,
    );
    scene.unmap(again)?;

    group.set_default_type(Some(DefaultType::DmaLazy))?;
    script.check(
        fmt!("it turns lazy while a driver is bound"),
        scene.default_type() == Some(DefaultType::DmaLazy),
    );
    let first = used(&scene)?;
    scene.unmap(first)?;
    script.check(
        fmt!("lazy: DMA may still get there, as hardware was not told"),
        scene.reach(first) == Reach::Memory(MEMORY),
    );
    let other = used(&scene)?;
    script.check(fmt!("but nobody else gets the address"), other != first);
    scene.clock.pass(TIMEOUT);
    scene.with(|dma, domain| {
        dma.tick(domain);
        Ok(())
    })?;
    script.check(
        fmt!("until the timer has had everything flushed"),
        scene.reach(first) == Reach::Aborted,
    );
    scene.unmap(other)?;

    let back = || group.set_default_type(Some(DefaultType::Dma));
    script.check(
        fmt!("it does not turn strict while a driver is bound: EPERM"),
        back() == Err(EPERM),
    );
    scene.endpoint.unuse_default();
    script.check(fmt!("but does when none is"), back() == Ok(()));
    Ok(())
}

/// Maps a page and lets the device use it.
fn used(scene: &Layered) -> Result<u64> {
    let iova = scene.map(MEMORY)?;
    match scene.reach(iova) {
        Reach::Memory(MEMORY) => Ok(iova),
        _ => Err(EFAULT),
    }
}

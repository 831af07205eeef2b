// SPDX-License-Identifier: GPL-2.0

//! An endpoint that copies memory of the kernel, given to it by the kernel's DMA API, which
//! translates by `drivers/iommu/dma-iommu.c`, strict and lazy. UML has no such layer.

use crate::{
    ccore::{
        Access,
        Buffer,
        Endpoint, //
    },
    copy_engine::{
        Bytes,
        CopyEngine,
        PAGE, //
    },
    families::{
        self,
        Families, //
    },
    iommu::{
        EndpointId,
        Strictness, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        skip,
        Outcome,
        Param,
        WarnCounter, //
    },
    mock::hw::Reach,
    rig::{
        Kernel,
        Rig, //
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

kunit_suite! {
    iommu_mock_kernel_dma over Families:
    endpoint_copies_what_it_is_given: each Mode in MODES;
    endpoint_reaches_nothing_that_was_taken_back: each Mode in MODES;
    queue_of_the_kernel_flushes_when_it_is_full;
}

#[derive(Clone, Copy)]
struct Mode(Strictness);

impl Param for Mode {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

const MODES: [Mode; 2] = [Mode(Strictness::Strict), Mode(Strictness::Lazy)];

/// More than a ring of the kernel has slots.
const MANY: u32 = 300;

/// How often something is tried that may take longer than the queue waits.
const ATTEMPTS: u32 = 20;

const DATA: u8 = 0x5a;

/// An endpoint behind the kernel's core, and all pages that it may reach.
struct Scene {
    kernel: Kernel,
    source: Arc<Buffer>,
    first: Arc<Buffer>,
    second: Arc<Buffer>,
}

impl Scene {
    /// `None` where the kernel has no DMA layer.
    fn new(mode: &Mode) -> Outcome<Option<Self>> {
        if !cfg!(CONFIG_IOMMU_DMA) {
            skip(c"this kernel has no dma-iommu");
            return Ok(None);
        }
        let mut config = families::config();
        // The kernel is lazy where it may be and nobody has another opinion.
        config.deferred_flush = mode.0 == Strictness::Lazy;
        let mut kernel = Kernel::with(config, 1, |_, e| e.default_type = None)?;
        kernel.plug(0)?;
        check_eq!(kernel.endpoint(0)?.strictness(), Some(mode.0));
        let source = Buffer::new()?;
        source.fill(DATA)?;
        Ok(Some(Self {
            kernel,
            source,
            first: Buffer::new()?,
            second: Buffer::new()?,
        }))
    }

    fn endpoint(&self) -> Result<&Endpoint> {
        self.kernel.endpoint(0)
    }

    fn copy(&self, from: u64, to: u64) -> Result<u64> {
        let engine = CopyEngine {
            mock: self.kernel.mock(),
            endpoint: EndpointId(0),
            ram: self,
        };
        engine.copy(from, to, PAGE)
    }

    fn find(&self, at: u64) -> Result<(&Buffer, usize)> {
        let buffers = [&self.source, &self.first, &self.second].into_iter();
        let mut found = buffers.filter(|buffer| buffer.at() == at & !(PAGE - 1));
        let buffer = found.next().ok_or(EFAULT)?;
        Ok((buffer, (at & (PAGE - 1)) as usize))
    }
}

impl Bytes for Scene {
    fn read(&self, at: u64) -> Result<u8> {
        let (buffer, offset) = self.find(at)?;
        buffer.load(offset)
    }

    fn write(&self, at: u64, value: u8) -> Result {
        let (buffer, offset) = self.find(at)?;
        buffer.store(offset, value)
    }
}

fn endpoint_copies_what_it_is_given(mode: &Mode) -> Outcome {
    let warnings = WarnCounter::start()?;
    let Some(scene) = Scene::new(mode)? else {
        return Ok(());
    };
    let endpoint = scene.endpoint()?;
    let from = endpoint.dma_map(&scene.source, Access::Read)?;
    let to = endpoint.dma_map(&scene.first, Access::Write)?;
    check!(from.iova() != scene.source.at() || to.iova() != scene.first.at());
    check_eq!(scene.copy(from.iova(), to.iova())?, PAGE);
    check!(scene.first.is_all(DATA) && scene.source.is_all(DATA));
    check!(scene.second.is_all(0));
    drop((from, to));
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn endpoint_reaches_nothing_that_was_taken_back(mode: &Mode) -> Outcome {
    let warnings = WarnCounter::start()?;
    let Some(scene) = Scene::new(mode)? else {
        return Ok(());
    };
    let endpoint = scene.endpoint()?;
    let mock = scene.kernel.mock();
    let reach = |iova| mock.dma(EndpointId(0), None, iova);
    let (first, second) = (
        Reach::Memory(scene.first.at()),
        Reach::Memory(scene.second.at()),
    );
    let from = endpoint.dma_map(&scene.source, Access::Read)?;
    let (mut kept, mut last) = (false, 0);
    // The queue is flushed after 10 ms, which may be over before we look.
    for _ in 0..ATTEMPTS {
        let to = endpoint.dma_map(&scene.first, Access::Write)?;
        last = to.iova();
        check_eq!(reach(last), first);
        drop(to);
        kept |= reach(last) == first;
        // Nobody else is given the address as long as that is so.
        let other = endpoint.dma_map(&scene.second, Access::Write)?;
        check_eq!(reach(other.iova()), second);
    }
    let caches = mock.inspect(EndpointId(0)).is_some();
    check_eq!(kept, caches && mode.0 == Strictness::Lazy);

    for _ in 0..ATTEMPTS {
        if reach(last) == Reach::Aborted {
            break;
        }
        fsleep(Delta::from_millis(10));
    }
    check_eq!(scene.copy(from.iova(), last)?, 0);
    check!(scene.first.is_all(0) && scene.second.is_all(0));
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn queue_of_the_kernel_flushes_when_it_is_full() -> Outcome {
    let warnings = WarnCounter::start()?;
    let Some(scene) = Scene::new(&Mode(Strictness::Lazy))? else {
        return Ok(());
    };
    let endpoint = scene.endpoint()?;
    for round in 0..MANY {
        let buffer = match round & 1 {
            0 => &scene.first,
            _ => &scene.second,
        };
        let to = endpoint.dma_map(buffer, Access::Write)?;
        let reach = scene.kernel.mock().dma(EndpointId(0), None, to.iova());
        check_eq!(reach, Reach::Memory(buffer.at()));
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

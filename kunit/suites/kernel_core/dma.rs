// SPDX-License-Identifier: GPL-2.0

//! Pages that the real DMA API gives to an endpoint, by the kernel's own layer for IOVAs, strict
//! and lazy. The endpoint is a channel of dmaengine that copies between them.

use crate::{
    ccore::{
        Access,
        Buffer,
        Channel,
        Ended,
        Endpoint,
        UserDriver, //
    },
    copy_engine::PAGE,
    families::{
        self,
        Families, //
    },
    iommu::{
        DefaultType,
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
    random::Random,
    rig::{
        Kernel,
        Rig, //
    },
    seed, //
};
use kernel::{
    fmt,
    prelude::*,
    str::CString,
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
    address_leads_to_nobody_but_its_next_owner: each Mode in MODES;
    queue_of_the_kernel_flushes_when_it_is_full;
    channel_goes_lazy_while_it_is_used;
    kernel_asks_one_device_whether_all_may_be_lazy;
}

#[derive(Clone, Copy)]
pub(super) struct Mode(pub(super) Strictness);

impl Param for Mode {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Mode {
    /// The type of a default domain that works so.
    fn what(self) -> DefaultType {
        match self.0 {
            Strictness::Strict => DefaultType::Dma,
            Strictness::Lazy => DefaultType::DmaLazy,
        }
    }
}

const MODES: [Mode; 2] = [Mode(Strictness::Strict), Mode(Strictness::Lazy)];

/// Slots of a ring of the kernel, of which it leaves one free.
const SLOTS: u32 = 256;

/// More than that.
const MANY: u32 = 300;

/// A queue that was seen to flush so often does not do so because its time had come just then.
const OFTEN: u32 = 3;

/// Addresses that are handed out again.
const ENOUGH: u32 = 8;

/// How often something is tried that may take longer than the queue waits.
const ATTEMPTS: u32 = 20;

/// No range waits longer than 10 ms and a few ticks.
const QUEUED: Delta = Delta::from_millis(40);

/// So little is copied where a copy of a page would take longer than the queue waits.
const LITTLE: u32 = 64;

pub(super) const DATA: u8 = 0x5a;

/// An endpoint behind the kernel's core that is a channel, and pages for it.
pub(super) struct Scene {
    pub(super) kernel: Kernel,
    _driver: Pin<KBox<UserDriver>>,
    pub(super) source: Arc<Buffer>,
    pub(super) first: Arc<Buffer>,
    pub(super) second: Arc<Buffer>,
}

impl Scene {
    /// Skips the case where the kernel has no DMA layer or no channels.
    pub(super) fn new(mode: &Mode) -> Outcome<Self> {
        needs_dma_layer()?;
        if !cfg!(CONFIG_DMA_ENGINE) {
            return Err(skip(c"this kernel has no dmaengine"));
        }
        let mut kernel = Kernel::with(families::config(), 1, |_, e| e.default_type = None)?;
        kernel.plug(0)?;
        kernel.set_type(Some(mode.what()))?;
        let name = CString::try_from_fmt(fmt!("iommu_mock_kunit_dma"))?;
        let driver = KBox::pin_init(UserDriver::register_channels(name), GFP_KERNEL)?;
        kernel.endpoint(0)?.bind(&driver)?;
        check_eq!(kernel.endpoint(0)?.strictness(), Some(mode.0));
        let source = Buffer::new()?;
        source.fill(DATA)?;
        Ok(Self {
            kernel,
            _driver: driver,
            source,
            first: Buffer::new()?,
            second: Buffer::new()?,
        })
    }

    pub(super) fn endpoint(&self) -> Result<&Endpoint> {
        self.kernel.endpoint(0)
    }
}

fn needs_dma_layer() -> Outcome {
    match cfg!(CONFIG_IOMMU_DMA) {
        true => Ok(()),
        false => Err(skip(c"this kernel has no dma-iommu")),
    }
}

fn endpoint_copies_what_it_is_given(mode: &Mode) -> Outcome {
    let warnings = WarnCounter::start()?;
    let scene = Scene::new(mode)?;
    let endpoint = scene.endpoint()?;
    let channel = endpoint.request_channel()?;
    let from = endpoint.dma_map(&scene.source, Access::Read)?;
    let to = endpoint.dma_map(&scene.first, Access::Write)?;
    check!(from.iova() != scene.source.at() || to.iova() != scene.first.at());
    check_eq!(
        channel.copy(from.iova(), to.iova(), PAGE as u32)?,
        Ended::Copied
    );
    check!(scene.first.is_all(DATA));
    check!(scene.source.is_all(DATA));
    check!(scene.second.is_all(0));
    drop((from, to));
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn endpoint_reaches_nothing_that_was_taken_back(mode: &Mode) -> Outcome {
    let warnings = WarnCounter::start()?;
    let scene = Scene::new(mode)?;
    let endpoint = scene.endpoint()?;
    let channel = endpoint.request_channel()?;
    let from = endpoint.dma_map(&scene.source, Access::Read)?;
    let (mut still_written, mut last) = (false, 0);
    // The queue is flushed after 10 ms, which may be over before we look.
    for _ in 0..ATTEMPTS {
        let to = endpoint.dma_map(&scene.first, Access::Write)?;
        last = to.iova();
        check_eq!(channel.copy(from.iova(), last, LITTLE)?, Ended::Copied);
        check_eq!(scene.first.load(0)?, DATA);
        scene.first.store(0, 0)?;
        drop(to);
        let ended = channel.copy(from.iova(), last, LITTLE)?;
        let written = scene.first.load(0)? == DATA;
        check_eq!(written, ended == Ended::Copied);
        still_written |= written;
        scene.first.store(0, 0)?;
    }
    let caches = scene.kernel.mock().inspect(EndpointId(0)).is_some();
    check_eq!(still_written, caches && mode.0 == Strictness::Lazy);

    for _ in 0..ATTEMPTS {
        if scene.kernel.mock().dma(EndpointId(0), None, last) == Reach::Aborted {
            break;
        }
        fsleep(Delta::from_millis(10));
    }
    let ended = channel.copy(from.iova(), last, LITTLE)?;
    check_eq!(ended, Ended::NotWritten(LITTLE));
    check_eq!(scene.first.load(0)?, 0);
    check_eq!(warnings.count(), 0);
    Ok(())
}

/// Whoever is given an address is the only one there, were it mapped a moment ago.
fn address_leads_to_nobody_but_its_next_owner(mode: &Mode) -> Outcome {
    let warnings = WarnCounter::start()?;
    let scene = Scene::new(mode)?;
    let endpoint = scene.endpoint()?;
    let channel = endpoint.request_channel()?;
    let from = endpoint.dma_map(&scene.source, Access::Read)?;
    let mut reused = 0;
    let mut former = KVec::new();
    // By turns, each might get back its own addresses alone.
    let mut random = Random::new(seed());
    for _ in 0..2 * MANY {
        let second = random.chance(50);
        let (buffer, other) = match second {
            false => (&scene.first, &scene.second),
            true => (&scene.second, &scene.first),
        };
        let to = endpoint.dma_map(buffer, Access::Write)?;
        check_eq!(channel.copy(from.iova(), to.iova(), LITTLE)?, Ended::Copied);
        check_eq!(other.load(0)?, 0);
        check_eq!(buffer.load(0)?, DATA);
        buffer.store(0, 0)?;
        reused += u32::from(former.contains(&(to.iova(), !second)));
        if reused == ENOUGH {
            break;
        }
        former.push((to.iova(), second), GFP_KERNEL)?;
    }
    check_eq!(reused, ENOUGH);
    check_eq!(warnings.count(), 0);
    Ok(())
}

/// Whether the queue keeps a range until it is full and no longer, or `None` if that could not be
/// told, as its time came first.
fn flushes_just_when_full(scene: &Scene) -> Outcome<Option<bool>> {
    let endpoint = scene.endpoint()?;
    // So that nothing is left in it.
    fsleep(QUEUED);
    let oldest = endpoint.dma_map(&scene.first, Access::Write)?;
    let mut others = KVec::new();
    for _ in 1..SLOTS {
        others.push(endpoint.dma_map(&scene.second, Access::Write)?, GFP_KERNEL)?;
    }
    let iova = oldest.iova();
    let reach = || scene.kernel.mock().dma(EndpointId(0), None, iova);
    check_eq!(reach(), Reach::Memory(scene.first.at()));
    let last = others.pop();
    drop(oldest);
    drop(others);
    if reach() == Reach::Aborted {
        return Ok(None);
    }
    drop(last);
    Ok(Some(reach() == Reach::Aborted))
}

fn queue_of_the_kernel_flushes_when_it_is_full() -> Outcome {
    let warnings = WarnCounter::start()?;
    let scene = Scene::new(&Mode(Strictness::Lazy))?;
    if scene.kernel.mock().inspect(EndpointId(0)).is_none() {
        return Err(skip(c"its hardware remembers nothing"));
    }
    let (mut flushed, mut kept) = (0, 0);
    for _ in 0..ATTEMPTS * OFTEN {
        match flushes_just_when_full(&scene)? {
            Some(true) => flushed += 1,
            Some(false) => kept += 1,
            None => (),
        }
        if flushed == OFTEN {
            break;
        }
    }
    // The queue of another CPU has room, where the case was moved there.
    if flushed < OFTEN && kept <= flushed {
        return Err(skip(c"this machine does not fill the queue in time"));
    }
    check!(
        flushed == OFTEN,
        "a full queue was flushed {flushed} times, and {kept} times not"
    );
    check_eq!(warnings.count(), 0);
    Ok(())
}

/// Copies a little into `buffer` and takes it back at once; whether it could be written then.
fn written_after(
    endpoint: &Endpoint,
    channel: &Channel<'_>,
    buffer: &Arc<Buffer>,
) -> Outcome<bool> {
    let to = endpoint.dma_map(buffer, Access::Write)?;
    let iova = to.iova();
    check_eq!(channel.copy(iova, iova, LITTLE)?, Ended::Copied);
    drop(to);
    Ok(channel.copy(iova, iova, LITTLE)? == Ended::Copied)
}

fn channel_goes_lazy_while_it_is_used() -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut scene = Scene::new(&Mode(Strictness::Strict))?;
    check_eq!(
        scene.kernel.set_type(Some(DefaultType::Identity)),
        Err(EPERM)
    );
    check_eq!(scene.kernel.set_type(Some(DefaultType::DmaLazy)), Ok(()));
    check_eq!(scene.kernel.set_type(Some(DefaultType::Dma)), Err(EPERM));
    let endpoint = scene.endpoint()?;
    let channel = endpoint.request_channel()?;
    let mut still_written = false;
    for _ in 0..ATTEMPTS {
        still_written |= written_after(endpoint, &channel, &scene.first)?;
    }
    let caches = scene.kernel.mock().inspect(EndpointId(0)).is_some();
    check_eq!(still_written, caches);
    check_eq!(warnings.count(), 0);
    Ok(())
}

/// Ours asks all of them: `iommu_mock_default.one_member_keeps_its_group_strict`.
fn kernel_asks_one_device_whether_all_may_be_lazy() -> Outcome {
    needs_dma_layer()?;
    let warnings = WarnCounter::start()?;
    for (opts_out, granted) in [(0, Strictness::Strict), (1, Strictness::Lazy)] {
        let mut kernel = Kernel::with(families::config(), 2, |id, e| {
            e.default_type = None;
            e.deferred_flush = id != opts_out;
        })?;
        kernel.plug(0)?;
        kernel.plug(1)?;
        kernel.set_type(Some(DefaultType::Identity))?;
        kernel.set_type(Some(DefaultType::DmaLazy))?;
        check_eq!(kernel.endpoint(opts_out)?.strictness(), Some(granted));
        // And none for a domain that is there.
        kernel.set_type(Some(DefaultType::DmaLazy))?;
        let strictness = kernel.endpoint(opts_out)?.strictness();
        check_eq!(strictness, Some(Strictness::Lazy));
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0

//! An endpoint as a channel of dmaengine.

use super::dma::{
    Mode,
    Scene,
    DATA, //
};
use crate::{
    ccore::{
        Access,
        Channel,
        Ended,
        Transfer, //
    },
    copy_engine::PAGE,
    iommu::Strictness,
    kapi::{
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome,
            WarnCounter, //
        },
        thread::{
            Run,
            Thread, //
        }, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

kunit_suite! {
    iommu_mock_kernel_channel:
    copies_are_done_in_order_once_they_are_issued;
    copy_stops_where_its_iommu_stops_it;
    terminated_copy_is_not_called_back;
    channel_has_one_user;
    driver_waits_for_the_user_of_its_channel;
}

const STRICT: Mode = Mode(Strictness::Strict);

/// A line of the bus and a bit, so that neither side is aligned.
const LEN: u32 = 100;

/// Runs `case` with a channel, and the source and the first page as the device finds them. It must
/// raise no WARN.
fn with_channel(case: impl FnOnce(&Scene, &Channel<'_>, u64, u64) -> Outcome) -> Outcome {
    let warnings = WarnCounter::start()?;
    let scene = Scene::new(&STRICT)?;
    let endpoint = scene.endpoint()?;
    let channel = endpoint.request_channel()?;
    let from = endpoint.dma_map(&scene.source, Access::Read)?;
    let to = endpoint.dma_map(&scene.first, Access::Write)?;
    case(&scene, &channel, from.iova(), to.iova())?;
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn copies_are_done_in_order_once_they_are_issued() -> Outcome {
    with_channel(|scene, channel, from, first| {
        let second = scene.endpoint()?.dma_map(&scene.second, Access::Write)?;
        let second = second.iova();
        // Each reads what the one before has written.
        let mut transfers = [
            Transfer::new(from + 3, first + 50, LEN),
            Transfer::new(first + 50, second + 1, LEN),
            Transfer::new(second + 1, first + 2000, LEN),
        ];
        channel.copy_all(&mut transfers)?;
        for (transfer, turn) in transfers.iter().zip(1..) {
            check!(!transfer.was_over_before());
            check_eq!(transfer.ended(), Ended::Copied);
            check_eq!(transfer.turn(), turn);
            check_eq!(transfer.succeeded(), Some(true));
        }
        let len = LEN as usize;
        for offset in 0..PAGE as usize {
            let copied = (50..50 + len).contains(&offset) || (2000..2000 + len).contains(&offset);
            check_eq!(scene.first.load(offset)?, if copied { DATA } else { 0 });
            let copied = (1..1 + len).contains(&offset);
            check_eq!(scene.second.load(offset)?, if copied { DATA } else { 0 });
        }
        Ok(())
    })
}

fn copy_stops_where_its_iommu_stops_it() -> Outcome {
    with_channel(|scene, channel, from, to| {
        // The page behind the lower of the two is the higher or nobody's; that behind the higher
        // is nobody's.
        let end = from.max(to) + PAGE;
        let mut transfers = [
            Transfer::new(from, to, LEN),
            Transfer::new(end - 64, to + 1000, LEN),
            Transfer::new(from, end - 40, LEN),
            Transfer::new(from, to + 2000, LEN),
        ];
        channel.copy_all(&mut transfers)?;
        let ended = transfers.each_ref().map(Transfer::ended);
        let expected = [
            Ended::Copied,
            Ended::NotRead(LEN - 64),
            Ended::NotWritten(LEN - 40),
            Ended::Copied,
        ];
        check_eq!(ended, expected);
        let succeeded = transfers.each_ref().map(Transfer::succeeded);
        check_eq!(
            succeeded,
            [Some(true), Some(false), Some(false), Some(true)]
        );
        check_eq!(scene.first.load(2000)?, DATA);
        Ok(())
    })
}

fn terminated_copy_is_not_called_back() -> Outcome {
    with_channel(|scene, channel, from, to| {
        let mut transfers = [(); 2].map(|()| Transfer::new(from, to, LEN));
        channel.submit_and_terminate(&mut transfers)?;
        for transfer in &transfers {
            check_eq!(transfer.ended(), Ended::Untold);
            check_eq!(transfer.succeeded(), None);
        }
        check!(scene.first.is_all(0));
        // It goes on.
        check_eq!(channel.copy(from, to, LEN)?, Ended::Copied);
        Ok(())
    })
}

fn channel_has_one_user() -> Outcome {
    let scene = Scene::new(&STRICT)?;
    let endpoint = scene.endpoint()?;
    let channel = endpoint.request_channel()?;
    check_eq!(endpoint.request_channel().err(), Some(EBUSY));
    drop(channel);
    check!(endpoint.request_channel().is_ok());
    endpoint.unbind();
    check_eq!(endpoint.request_channel().err(), Some(EBUSY));
    Ok(())
}

/// Unbinds the driver of an endpoint.
struct Unbind {
    scene: Arc<Scene>,
    done: Atomic<u32>,
}

impl Run for Unbind {
    fn run(&self) {
        if let Ok(endpoint) = self.scene.endpoint() {
            endpoint.unbind();
        }
        self.done.store(1, Release);
    }
}

fn driver_waits_for_the_user_of_its_channel() -> Outcome {
    let warnings = WarnCounter::start()?;
    let scene = Arc::new(Scene::new(&STRICT)?, GFP_KERNEL)?;
    let endpoint = scene.endpoint()?;
    // Its end waits for that of the channel, also where the case fails.
    let mut thread = None;
    let channel = endpoint.request_channel()?;
    let unbind = Unbind {
        scene: scene.clone(),
        done: Atomic::new(0),
    };
    let unbind = Arc::new(unbind, GFP_KERNEL)?;
    thread.replace(Thread::spawn(unbind.clone())?);
    fsleep(Delta::from_millis(50));
    check_eq!(unbind.done.load(Acquire), 0);
    // Nobody takes the channel's memory from under its user.
    let from = endpoint.dma_map(&scene.source, Access::Read)?;
    let to = endpoint.dma_map(&scene.first, Access::Write)?;
    check_eq!(channel.copy(from.iova(), to.iova(), LEN)?, Ended::Copied);
    drop((from, to));
    drop(channel);
    drop(thread);
    check_eq!(unbind.done.load(Acquire), 1);
    check_eq!(endpoint.request_channel().err(), Some(EBUSY));
    check_eq!(warnings.count(), 0);
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0

//! A driver without a core, brought into a state by hand.

use crate::{
    families,
    fixture::check_tame,
    iommu::{
        AttachError,
        Attached,
        Device,
        Domain,
        Driver,
        EndpointId,
        Kind,
        PagingFlags,
        Pasid, //
    },
    kapi::kunit::{
        check,
        check_eq,
        Outcome,
        Param, //
    },
    mark,
    mock::{
        endpoint::EndpointConfig,
        fault::{
            FaultPlan,
            Leave,
            Op,
            Rule, //
        },
        hw::Reach,
        shell::Mock, //
    },
    oracle, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

/// What has become of a device before the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing: firmware has let its DMA through.
    Fresh,
    /// It is blocked.
    Blocked,
    /// It is not translated.
    Identity,
    /// It is translated.
    Paging,
    /// It was translated when the environment fenced it.
    Fenced,
    /// It was to be translated by another domain, and the driver blocked it and failed.
    FailedBlocked,
    /// It was to be translated by another domain, and the driver sent it there and failed.
    FailedHalf,
    /// It was translated, and a domain that does not fit was refused.
    Refused,
}

/// A [`State`], and whether a PASID of the device is in use as well.
pub(super) struct Start {
    state: State,
    pasid: bool,
}

impl Param for Start {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pasid = if self.pasid { ", with a PASID" } else { "" };
        write!(f, "{:?}{pasid}", self.state)
    }
}

const fn start(state: State, pasid: bool) -> Start {
    Start { state, pasid }
}

/// All states.
pub(super) const STARTS: [Start; 12] = [
    start(State::Fresh, false),
    start(State::Blocked, false),
    start(State::Identity, false),
    start(State::Paging, false),
    start(State::Fenced, false),
    start(State::FailedBlocked, false),
    start(State::FailedHalf, false),
    start(State::Refused, false),
    start(State::Blocked, true),
    start(State::Identity, true),
    start(State::Paging, true),
    start(State::Refused, true),
];

/// Those in which a core has attached the device to something, as it does before any PASID.
pub(super) const ATTACHED: &[Start] = STARTS.split_at(1).1;

/// One more than the largest PASID of a device.
const PASIDS: u32 = 4;

/// The PASID that is in use if any is.
const USED: u32 = 2;

/// Device 0 is in some state. Device 1 is the same, and fresh. Device 2 has more address bits, so
/// that its domains do not fit the others.
pub(super) struct Bench {
    driver: Arc<dyn Driver>,
    mock: Arc<dyn Mock>,
    devices: KVec<Arc<Device>>,
    /// Where the core would believe device 0 to be.
    on: Option<Arc<Domain>>,
    /// What else the state has made; dropped as late as a core might.
    domains: KVec<Arc<Domain>>,
    /// On which the PASID is.
    pasid: Option<Arc<Domain>>,
}

impl Bench {
    /// An instance with three devices, all fresh.
    pub(super) fn new() -> Result<Self> {
        let mut endpoints = KVec::new();
        for bits in [40, 40, 48] {
            let endpoint = EndpointConfig {
                bits,
                max_pasids: PASIDS,
                // With ATS, which is one more place that may remember a domain.
                resettable: true,
                ..EndpointConfig::ordinary(0)
            };
            endpoints.push(endpoint, GFP_KERNEL)?;
        }
        let count = endpoints.len() as u32;
        let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        let config = families::config();
        let instance = families::under_test()?.build(config, endpoints, faults)?;
        let mut devices = KVec::new();
        for id in 0..count {
            let device = Device::probe(&instance.driver, EndpointId(id))?;
            devices.push(device, GFP_KERNEL)?;
        }
        Ok(Self {
            driver: instance.driver,
            mock: instance.mock,
            devices,
            on: None,
            domains: KVec::new(),
            pasid: None,
        })
    }

    /// The same with device 0 in a state. Skips the case where that takes PASIDs and the family
    /// has none.
    pub(super) fn start(from: &Start) -> Outcome<Self> {
        if from.pasid {
            families::needs_pasids()?;
        }
        let mut bench = Self::new()?;
        let first = match from.state {
            State::Fresh => None,
            State::Blocked => Some(bench.blocked()?),
            State::Identity => Some(bench.identity()?),
            _ => Some(bench.domain(0)?),
        };
        if let Some(first) = first {
            check_eq!(bench.attach(0, &first), Ok(Attached::Translating));
        }
        if from.pasid {
            let domain = bench.domain(0)?;
            check_eq!(bench.set_pasid(&domain), Ok(()));
        }
        let breach = |leave| Rule::once(Op::Attach, EIO).leaving(leave);
        match from.state {
            State::Fresh | State::Blocked | State::Identity | State::Paging => (),
            State::Fenced => {
                let next = bench.domain(0)?;
                bench.mock.faults().add(breach(Leave::Fenced))?;
                check_eq!(bench.attach(0, &next), Ok(Attached::Fenced));
            }
            State::FailedBlocked | State::FailedHalf => {
                let leave = match from.state {
                    State::FailedHalf => Leave::Half,
                    _ => Leave::Blocked,
                };
                let next = bench.domain(0)?;
                bench.mock.faults().add(breach(leave))?;
                check_eq!(bench.attach(0, &next), Err(AttachError::Failed(EIO)));
                bench.domains.push(next, GFP_KERNEL)?;
            }
            State::Refused => {
                let misfit = bench.domain(2)?;
                check_eq!(bench.attach(0, &misfit), Err(AttachError::Incompatible));
            }
        }
        Ok(bench)
    }

    /// The hardware and its driver.
    pub(super) fn mock(&self) -> &dyn Mock {
        &*self.mock
    }

    /// A device.
    pub(super) fn device(&self, at: usize) -> Result<&Arc<Device>> {
        self.devices.get(at).ok_or(ENODEV)
    }

    /// The blocked domain.
    pub(super) fn blocked(&self) -> Result<Arc<Domain>> {
        Ok(self.driver.blocked().ok_or(ENODEV)?.clone())
    }

    /// The identity domain.
    pub(super) fn identity(&self) -> Result<Arc<Domain>> {
        Ok(self.driver.identity().ok_or(ENODEV)?.clone())
    }

    /// Makes a marked paging domain for a device, one that its PASIDs can have as well.
    pub(super) fn domain(&self, at: usize) -> Result<Arc<Domain>> {
        self.make(at, self.driver.features().pasid)
    }

    /// Makes one that may have another kind of page table, as PASIDs need not have it: there are
    /// families in which all that is in use must be of one kind.
    pub(super) fn other_domain(&self) -> Result<Arc<Domain>> {
        self.make(0, self.pasid.is_some())
    }

    fn make(&self, at: usize, pasid: bool) -> Result<Arc<Domain>> {
        let flags = PagingFlags::pasid(pasid);
        let domain = self.driver.alloc_paging(self.device(at)?, flags)?;
        mark::mark(&domain)?;
        Ok(domain)
    }

    /// Attaches a device as a core would, with what it is on as the origin.
    pub(super) fn attach(&mut self, at: usize, to: &Arc<Domain>) -> Result<Attached, AttachError> {
        let from = self.on.as_ref().filter(|_| at == 0);
        let attached = self.driver.attach(self.device(at)?, to, from)?;
        if at == 0 {
            self.on = Some(to.clone());
        }
        Ok(attached)
    }

    /// Attaches the PASID of device 0.
    pub(super) fn set_pasid(&mut self, to: &Arc<Domain>) -> Result<(), AttachError> {
        let (device, pasid) = (self.device(0)?, Pasid::new(USED)?);
        self.driver
            .set_pasid(device, pasid, to, self.pasid.as_ref())?;
        self.pasid = Some(to.clone()).filter(|to| to.kind() != Kind::Blocked);
        Ok(())
    }

    /// Lets a device go.
    pub(super) fn release(&mut self, at: usize) -> Result {
        self.driver.release(self.device(at)?);
        if at == 0 {
            self.on = None;
            self.pasid = None;
        }
        Ok(())
    }

    /// What the domains of device 0 held so far are is forgotten, as by a core that is done with
    /// them, but for those that it is on.
    pub(super) fn forget_domains(&mut self) {
        self.domains.clear();
    }

    /// Where a device gets to at the mark.
    pub(super) fn truth(&self, at: usize) -> Result<Reach> {
        Ok(self.mock.dma(self.device(at)?.id(), None, mark::IOVA))
    }

    /// Where the PASIDs of device 0 get to at the mark.
    pub(super) fn pasid_truths(&self) -> Result<[Reach; PASIDS as usize]> {
        let mut truths = [Reach::Aborted; PASIDS as usize];
        let id = self.device(0)?.id();
        for (number, truth) in (0..).zip(&mut truths).skip(1) {
            *truth = self.mock.dma(id, Some(Pasid::new(number)?), mark::IOVA);
        }
        Ok(truths)
    }

    /// Checks that device 0 is on `domain`, and its PASIDs where they were put.
    #[track_caller]
    pub(super) fn check_on(&self, domain: &Arc<Domain>) -> Outcome {
        let (truth, expected) = (self.truth(0)?, oracle::reach(domain));
        check!(truth == expected, "reaches {truth:x?}, not {expected:x?}");
        check!(self.mock.is_on(EndpointId(0), domain));
        self.check_pasids()
    }

    /// Checks that the PASIDs of device 0 are where they were put.
    #[track_caller]
    pub(super) fn check_pasids(&self) -> Outcome {
        for (number, truth) in self.pasid_truths()?.into_iter().enumerate() {
            let domain = self.pasid.as_ref().filter(|_| number == USED as usize);
            let expected = domain.map_or(Reach::Aborted, oracle::reach);
            check!(
                truth == expected,
                "PASID {number} reaches {truth:x?}, not {expected:x?}"
            );
        }
        Ok(())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.mock.faults().clear();
        for device in &self.devices {
            self.driver.release(device);
        }
        check_tame(&*self.mock);
    }
}

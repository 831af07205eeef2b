// SPDX-License-Identifier: GPL-2.0

//! The driver of s390 PCI functions.
//!
//! It registers an address space with firmware, which may refuse, have no time, or have the
//! function in recovery or lose it meanwhile. What happens to a function otherwise is up to its
//! environment: see [`S390Unit::set_state`] and [`Pci`].
//!
//! Source: [`drivers/iommu/s390-iommu.c`](srctree/drivers/iommu/s390-iommu.c).

mod function;
mod pci;
pub(crate) mod plan;
mod protocol;
mod space;

pub(crate) use self::{
    pci::Pci,
    space::S390Space, //
};

use self::{
    function::{
        Change,
        Function, //
    },
    protocol::Protocol, //
};
use super::{
    endpoint::{
        EndpointConfig,
        InstanceConfig, //
    },
    hw::{
        machine::{
            Inspect,
            Machine, //
        },
        model::{
            Next,
            Requester, //
        },
        s390::{
            self,
            fib::State,
            instruction::op,
            WhileFenced,
            Zpci, //
        },
        step::Note,
        Access,
        Reach, //
    },
    unit::{
        Modelled,
        Seen,
        Space as _,
        Target,
        Unit,
        FORMER_KERNEL, //
    },
};
use crate::{
    iommu::{
        Aperture,
        AttachError,
        Attached,
        PagingFlags,
        Prot, //
    },
    kapi::errno,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(crate) struct S390Unit {
    pci: Arc<Pci>,
    functions: KVec<Arc<Function>>,
    protocol: Protocol,
}

impl S390Unit {
    /// What instructions go through, which can be told to fail.
    pub(crate) fn pci(&self) -> &Pci {
        &self.pci
    }

    /// Lets the environment change the state of a function, as by a store of firmware: an error,
    /// recovery, or that it is pulled out.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint.
    pub(crate) fn set_state(&self, endpoint: u32, state: State) -> Result {
        self.pci.set_state(self.function(endpoint)?.handle(), state)
    }

    /// The same when a driver has waited for firmware for so many milliseconds more, not before.
    ///
    /// # Errors
    ///
    /// Those of [`Self::set_state`].
    pub(crate) fn set_state_after(&self, endpoint: u32, state: State, ms: u64) -> Result {
        let handle = self.function(endpoint)?.handle();
        self.pci.set_state_after(handle, state, ms)
    }

    /// Does what ends the recovery of a function whose driver asks for a reset: disables it,
    /// enables it, and registers what the books say it is on. As `zpci_hot_reset_device()` of
    /// [`arch/s390/pci/pci.c`](srctree/arch/s390/pci/pci.c).
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint, or no longer; EBUSY while firmware is at work; EIO
    /// where firmware refuses the registration. The function is disabled then.
    pub(crate) fn recover(&self, endpoint: u32) -> Result {
        let function = self.function(endpoint)?;
        let mut on = function.book().lock();
        Change::new(&self.pci, function, &mut on).reset()
    }

    /// Does what ends the recovery of a function whose driver needs no reset: lets load and store
    /// work, then DMA. Registers nothing.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint; EIO where firmware refuses.
    pub(crate) fn reset_error(&self, endpoint: u32) -> Result {
        let handle = self.function(endpoint)?.handle();
        let _ = self.pci.call(op::RESET_BLOCK, handle, [0; 3]);
        match self.pci.call(op::RESET_ERROR, handle, [0; 3]).cc {
            0 => Ok(()),
            _ => Err(EIO),
        }
    }

    /// What the books say that an endpoint is on.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint.
    pub(crate) fn target(&self, endpoint: u32) -> Result<Target<S390Space>> {
        Ok(self.function(endpoint)?.book().lock().clone())
    }

    fn function(&self, endpoint: u32) -> Result<&Function> {
        let function = self.functions.get(usize::try_from(endpoint)?);
        Ok(&**function.ok_or(ENODEV)?)
    }

    /// The space whose table an anchor points to, of those that functions are on.
    fn space_at(&self, root: u64) -> Option<u64> {
        self.functions.iter().find_map(|function| {
            let on = function.book().lock();
            match &*on {
                Target::Paging(space) if space.root() == root => Some(space.number()),
                _ => None,
            }
        })
    }
}

impl Unit for S390Unit {
    const NAME: &'static str = "s390";
    const PROTOCOLS: &'static [&'static str] = Protocol::NAMES;
    const FAILS_BLOCKED: &'static [bool] = Protocol::FAIL_BLOCKED;
    const PASID: bool = false;
    type Space = S390Space;

    fn new(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<Self>> {
        let protocol = Protocol::new(config.protocol)?;
        let while_fenced = match protocol {
            Protocol::Book => WhileFenced::Keeps,
            Protocol::Linux | Protocol::Reregister | Protocol::Retry => WhileFenced::Refuses,
        };
        let count = u32::try_from(endpoints.len())?;
        let machine = Arc::pin_init(
            Machine::new(|entries| Zpci::new(entries, count, while_fenced)),
            GFP_KERNEL,
        )?;
        let keeps_first_error = !matches!(protocol, Protocol::Linux);
        let pci = Arc::pin_init(Pci::new(machine, count, keeps_first_error), GFP_KERNEL)?;
        let mut functions = KVec::with_capacity(endpoints.len(), GFP_KERNEL)?;
        let mut former = None;
        for (number, endpoint) in (0..count).zip(endpoints) {
            let on = match (endpoint.deferred, &former) {
                (false, _) => Target::Identity,
                (true, Some(space)) => Target::Paging(Arc::clone(space)),
                (true, None) => {
                    let space = Arc::new(S390Space::new(&pci, endpoint.bits)?, GFP_KERNEL)?;
                    space
                        .map(0, FORMER_KERNEL, 1 << 12, 1 << 18, Prot::RW)
                        .result?;
                    former = Some(space.clone());
                    Target::Paging(space)
                }
            };
            let last = Aperture::bits(endpoint.bits).last;
            let function = Function::new(s390::handle(number), last, on);
            let function = Arc::pin_init(function, GFP_KERNEL)?;
            Change::new(&pci, &function, &mut function.book().lock()).enter();
            functions.push(function, GFP_KERNEL)?;
        }
        Ok(Arc::new(
            Self {
                pci,
                functions,
                protocol,
            },
            GFP_KERNEL,
        )?)
    }

    fn new_space(self: &Arc<Self>, endpoint: u32, flags: PagingFlags) -> Result<Arc<S390Space>> {
        if flags.pasid {
            return Err(errno::eopnotsupp());
        }
        let last = self.function(endpoint)?.last();
        let bits = u64::BITS - last.leading_zeros();
        Ok(Arc::new(S390Space::new(&self.pci, bits)?, GFP_KERNEL)?)
    }

    fn check(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<S390Space>,
    ) -> Result<(), AttachError> {
        self.function(endpoint)?;
        if pasid.is_some() {
            return Err(AttachError::Failed(errno::eopnotsupp()));
        }
        let model = self.pci.machine().model();
        let fits = match to {
            Target::Blocked => true,
            Target::Identity => model.rtr,
            Target::Paging(space) => model.dtsm & space.designation().bit() != 0,
        };
        match fits {
            true => Ok(()),
            false => Err(AttachError::Incompatible),
        }
    }

    fn attach(
        &self,
        endpoint: u32,
        _pasid: Option<u32>,
        to: &Target<S390Space>,
    ) -> Result<Attached, AttachError> {
        let function = self.function(endpoint)?;
        let mut on = function.book().lock();
        let mut change = Change::new(&self.pci, function, &mut on);
        let attached = self.protocol.attach(&mut change, to);
        self.machine().note(Note::Return);
        attached
    }

    fn release(&self, endpoint: u32, keep: bool) {
        if !keep {
            // The core hears of no failure here, as the function is on its way out.
            let _ = self.attach(endpoint, None, &Target::Blocked);
        }
    }

    fn access(&self, endpoint: u32, pasid: Option<u32>, iova: u64, access: Access) -> Reach {
        match (self.function(endpoint), pasid) {
            (Ok(function), None) => self.pci.access(function.requester(), iova, access),
            _ => Reach::Aborted,
        }
    }

    fn seen(&self, endpoint: u32) -> Option<Seen> {
        let function = self.function(endpoint).ok()?;
        Some(match self.machine().look_up(function.requester()) {
            Next::Translate(by) => Seen::Paging(self.space_at(by.first.root).unwrap_or(0)),
            Next::Bypass => Seen::Identity,
            Next::Abort(_) | Next::Fetch(_) => Seen::Blocked,
        })
    }

    fn inspect(&self, endpoint: u32) -> Option<(&dyn Inspect, Requester)> {
        let function = self.function(endpoint).ok()?;
        Some((self.pci.machine(), function.requester()))
    }
}

impl Modelled for S390Unit {
    type Model = Zpci;

    fn machine(&self) -> &Machine<Zpci> {
        self.pci.machine()
    }

    fn requesters(&self, endpoint: u32, _pasid: Option<u32>) -> Result<KVec<Requester>> {
        let mut requesters = KVec::new();
        requesters.push(self.function(endpoint)?.requester(), GFP_KERNEL)?;
        Ok(requesters)
    }
}

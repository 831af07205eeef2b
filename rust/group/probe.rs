// SPDX-License-Identifier: GPL-2.0

//! How devices come and go.

use super::{
    defect::Defect,
    member::{
        Belief,
        Member, //
    },
    owner::Ownership,
    recovery::Recovery,
    state::{
        Group,
        State, //
    },
    warning::Warning, //
};
use crate::{
    iommu::{
        DefaultType,
        Device,
        DmaPolicy,
        Domain,
        Driver,
        EndpointId,
        GroupKey,
        Kind, //
    },
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// One IOMMU instance and the groups behind it.
#[pin_data]
pub(crate) struct Iommu {
    driver: Arc<dyn Driver>,
    policy: Option<Arc<dyn DmaPolicy>>,
    system: DefaultType,
    recovery: Recovery,
    /// Groups that have members. Held while a device is probed.
    #[pin]
    groups: Mutex<KVec<Arc<Group>>>,
}

/// A probed device and the group it belongs to, as its bus keeps it.
///
/// Once released it stays valid: whatever is asked of it then answers ENODEV.
pub(crate) struct Endpoint {
    device: Arc<Device>,
    group: Arc<Group>,
}

impl Iommu {
    /// Registers an instance. `system` is the default domain of devices without an opinion,
    /// `policy` the layer that makes domains usable for kernel drivers; without it, devices are not
    /// translated by default.
    pub(crate) fn new(
        driver: Arc<dyn Driver>,
        policy: Option<Arc<dyn DmaPolicy>>,
        system: DefaultType,
    ) -> impl PinInit<Self> {
        Self::with_recovery(driver, policy, system, Recovery::default())
    }

    /// The same with another policy for devices that could not be brought where they must be.
    pub(crate) fn with_recovery(
        driver: Arc<dyn Driver>,
        policy: Option<Arc<dyn DmaPolicy>>,
        system: DefaultType,
        recovery: Recovery,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            driver,
            policy,
            system,
            recovery,
            groups <- new_mutex!(KVec::new(), "Iommu::groups"),
        })
    }

    /// Takes a device: finds or forms its group, and brings it where the group is, or the group to
    /// its first default domain. May sleep; takes the list of groups and the group's mutex.
    ///
    /// A device joins its group whatever that is doing: an owned group takes it to the owner's
    /// domain, and to the domains of its PASIDs. A device that is a member already is what it was;
    /// no driver is called.
    ///
    /// # Errors
    ///
    /// The driver's, ENOMEM, and those of
    /// [`Group::set_default_type`] for the first device. The driver has released it then.
    pub(crate) fn probe(&self, id: EndpointId) -> Result<Endpoint> {
        let mut groups = self.groups.lock();
        if let Some(endpoint) = groups.iter().find_map(|group| Endpoint::of(group, id)) {
            return Ok(endpoint);
        }
        groups.reserve(1, GFP_KERNEL)?;
        let device = Device::probe(&self.driver, id)?;
        let give_up = |_: &Error| self.driver.release(&device);
        let key = self.driver.group(&device).inspect_err(give_up)?;
        if let Some(group) = groups.iter().find(|group| group.key() == key).cloned() {
            let mut state = group.lock();
            if !state.retired {
                state.join(&device)?;
                drop(state);
                return Ok(Endpoint { device, group });
            }
        }
        let group = self.new_group(key).inspect_err(give_up)?;
        group.lock().join(&device)?;
        groups.retain(|present| present.key() != key);
        // Room was reserved.
        let _ = groups.push_within_capacity(group.clone());
        Ok(Endpoint { device, group })
    }

    /// Lets a device go. Takes the group's mutex and the list of groups.
    ///
    /// Its DMA is left on the driver's release domain, or on identity where firmware needs that,
    /// and no callback for it follows. Other members are not affected. With the last one the
    /// group's own domains go; a WARN is raised if it is owned or not on its default domain.
    ///
    /// # Errors
    ///
    /// ENODEV where it was released before.
    pub(crate) fn release(&self, endpoint: &Endpoint) -> Result {
        let mut state = endpoint.group.lock();
        if state.seeded.has(Defect::ReleaseOutsideMutex) {
            state.find(&endpoint.device)?;
            drop(state);
            endpoint.device.driver().release(&endpoint.device);
            state = endpoint.group.lock();
        }
        state.leave(&endpoint.device)?;
        drop(state);
        self.groups.lock().retain(|group| !group.lock().retired);
        Ok(())
    }

    fn new_group(&self, key: GroupKey) -> Result<Arc<Group>> {
        let group = Group::new(key, self.policy.clone(), self.system, self.recovery);
        Arc::pin_init(group, GFP_KERNEL)
    }
}

impl Endpoint {
    /// Endpoint `id`, if it is a member of `group`.
    fn of(group: &Arc<Group>, id: EndpointId) -> Option<Self> {
        let state = group.lock();
        let member = state.members.iter().find(|m| m.device.id() == id)?;
        Some(Self {
            device: member.device.clone(),
            group: group.clone(),
        })
    }

    /// The device.
    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Its group, also after the device was released.
    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.group
    }
}

impl State {
    /// Makes a device a member. If that fails, the driver has released the device.
    fn join(&mut self, device: &Arc<Device>) -> Result {
        let index = self.members.len();
        let member = Member::new(device.clone());
        if let Err(error) = self.members.push(member, GFP_KERNEL) {
            device.driver().release(device);
            return Err(error.into());
        }
        let result = self.settle(index);
        if result.is_err() {
            if let Ok(member) = self.members.remove(index) {
                self.let_go(&member);
            }
            self.forget_if_empty();
        }
        result
    }

    /// Brings a new member where its group is.
    fn settle(&mut self, index: usize) -> Result {
        if let Some(default) = self.default.clone() {
            // A failure shows when the device is used; the kernel's core ignores it, too.
            let _ = self.map_direct(index, &default, self.default_type);
        }
        if self.current.is_none() {
            return self.set_up_default(None);
        }
        self.follow(index)?;
        let device = self.members.get(index).ok_or(ENODEV)?.device.clone();
        for entry in self.pasids.entries() {
            if entry.pasid().get() < device.max_pasids() {
                let driver = device.driver();
                driver.set_pasid(&device, entry.pasid(), entry.domain(), None)?;
            }
        }
        self.stay_strict();
        Ok(())
    }

    fn leave(&mut self, device: &Arc<Device>) -> Result {
        let index = self.find(device)?;
        if self.members.len() == 1 {
            let home = match (&self.current, &self.default) {
                (Some(current), Some(default)) => Arc::ptr_eq(current, default),
                (current, default) => current.is_none() && default.is_none(),
            };
            if self.owner != Ownership::Free || !home {
                self.warn(Warning::LeftInUse);
            }
        }
        let member = self.members.remove(index).map_err(|_| ENODEV)?;
        self.let_go(&member);
        if self.seeded.has(Defect::ReleaseKeepsMember) {
            let _ = self.members.push(member, GFP_KERNEL);
        }
        self.forget_if_empty();
        Ok(())
    }

    /// Leaves the device of a former member where it does no harm, and releases it.
    fn let_go(&self, member: &Member) {
        let device = &member.device;
        let driver = device.driver();
        if let Some(refuge) = self.release_domain(member) {
            let old = match &member.belief {
                Belief::Parked(_) => self.blocking.as_ref().or_else(|| driver.blocked()),
                Belief::Lost(domain) => domain.as_ref(),
                Belief::OnDomain(_) | Belief::Deferred => self.current.as_ref(),
            };
            // Whatever it answers, the release that follows ends all use.
            let _ = driver.attach(device, refuge, old);
        }
        if self.seeded.has(Defect::ReleaseOutsideMutex) {
            return;
        }
        driver.release(device);
    }

    /// Where to leave a device. A deferred one is not touched at all (R1.5).
    fn release_domain<'a>(&self, member: &'a Member) -> Option<&'a Arc<Domain>> {
        if member.is_deferred() {
            return None;
        }
        let driver = member.device.driver();
        let declared = driver.release_domain()?;
        match (member.require_direct, declared.kind(), driver.identity()) {
            (true, Kind::Blocked, Some(identity)) => Some(identity),
            (_, _, _) => Some(declared),
        }
    }

    fn forget_if_empty(&mut self) {
        if self.members.is_empty() {
            self.current = None;
            self.default = None;
            self.blocking = None;
            self.retired = true;
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A real PCI function that the kernel's core is told is behind an instance.
//!
//! Only the core is told: the DMA of the function goes where it went before. The core matches a
//! device with an IOMMU by its firmware node, and probes devices when they are added and when an
//! IOMMU registers. So a function is given the node of an instance first, and then an IOMMU without
//! devices registers for a moment.
//!
//! A function that is removed from its bus is released like any other. The one that a rescan finds
//! in its place is a new device, and not behind the instance.
//!
//! # Locks
//!
//! The PCI core's `pci_rescan_remove_lock`; the function's device lock, without which no driver
//! binds; then those of [`ccore`](super).

mod errand;

pub(super) use self::errand::Errand;

use self::errand::Task;
use super::{
    device,
    ffi,
    instance::Instance, //
};
use crate::iommu::EndpointId;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    fmt,
    prelude::*,
    sync::Arc, //
};

/// Where a PCI function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PciAddress {
    /// Also called segment.
    pub(crate) domain: u16,
    /// Number of the bus.
    pub(crate) bus: u8,
    /// Device in the upper five bits, function in the lower three.
    pub(crate) devfn: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (device, function) = (self.devfn >> 3, self.devfn & 7);
        f.write_fmt(fmt!(
            "{:04x}:{:02x}:{device:02x}.{function}",
            self.domain,
            self.bus
        ))
    }
}

/// Why a function cannot be put behind an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// There is none.
    Missing,
    /// Another IOMMU serves the PCI bus.
    OtherIommu,
    /// A driver is bound to it, or just being bound.
    InUse,
    /// It is in a group already.
    Grouped,
    /// The core or the driver of the contract did not take it.
    Failed(Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing => ENODEV,
            Refusal::OtherIommu | Refusal::InUse | Refusal::Grouped => EBUSY,
            Refusal::Failed(error) => error,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such function"),
            Self::OtherIommu => f.write_str("another IOMMU serves the PCI bus"),
            Self::InUse => f.write_str("a driver is bound to it"),
            Self::Grouped => f.write_str("it is in an IOMMU group already"),
            Self::Failed(error) => f.write_fmt(fmt!("it was not taken: {error:?}")),
        }
    }
}

/// A PCI function, whoever has it.
///
/// # Invariants
///
/// This owns a reference on a device, which is that of a PCI function.
struct Function(NonNull<bindings::device>);

// SAFETY: What is done with a function may be done from any thread.
unsafe impl Send for Function {}
// SAFETY: As above.
unsafe impl Sync for Function {}

impl Function {
    fn find(address: PciAddress) -> Option<Self> {
        let PciAddress { domain, bus, devfn } = address;
        let raw = ffi::pci_function(domain.into(), bus.into(), devfn.into());
        // INVARIANT: `pci_function` took the reference.
        NonNull::new(raw).map(Self)
    }

    fn as_raw(&self) -> *mut bindings::device {
        self.0.as_ptr()
    }

    /// Whether a driver is bound to it right now.
    fn has_driver(&self) -> bool {
        // SAFETY: By the type invariant, the device is valid. Whoever wants an answer that lasts
        // holds the device lock.
        let driver = unsafe { (&raw const (*self.as_raw()).driver).read_volatile() };
        !driver.is_null()
    }

    /// Takes it from under its driver and does not let another in until it is unlocked.
    fn evict(&self) -> Held<'_> {
        loop {
            let held = Held::lock(self);
            if !self.has_driver() {
                return held;
            }
            drop(held);
            // SAFETY: By the type invariant, the device is registered, or was and then has no
            // driver.
            unsafe { bindings::device_release_driver(self.as_raw()) };
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the reference is ours.
        unsafe { bindings::put_device(self.as_raw()) };
    }
}

/// A PCI function behind an instance.
///
/// # Invariants
///
/// `instance` is registered.
pub(super) struct PciFunction {
    function: Function,
    instance: Arc<Instance>,
}

impl PciFunction {
    /// Puts a function that has no driver behind `instance`, as its endpoint `id`, and makes the
    /// core probe it. Taints the kernel, as for an unsafe module parameter. May sleep.
    ///
    /// # Safety
    ///
    /// `instance` must be registered, and stay so until this value is dropped.
    pub(super) unsafe fn claim(
        address: PciAddress,
        id: EndpointId,
        instance: &Arc<Instance>,
    ) -> Result<Self, Refusal> {
        let rescan = Rescan::lock();
        let function = Function::find(address).ok_or(Refusal::Missing)?;
        // A driver that found itself behind an IOMMU later than its bind would not know. Waiting
        // for one device after the other could be a deadlock.
        let held = Held::try_lock(&function).ok_or(Refusal::InUse)?;
        // SAFETY: Passed on, for as long as the function is claimed.
        unsafe { sit_down(&held, id, instance) }?;
        if let Err(error) = instance.probe_all() {
            // SAFETY: The instance is registered, and the function had no driver.
            unsafe { leave(&held, instance, &rescan) };
            return Err(error.into());
        }
        // SAFETY: No precondition.
        unsafe { bindings::add_taint(bindings::TAINT_USER, bindings::lockdep_ok_LOCKDEP_STILL_OK) };
        drop(held);
        // INVARIANT: By the contract of this function.
        Ok(Self {
            function,
            instance: instance.clone(),
        })
    }

    /// Its `struct device`.
    pub(super) fn device(&self) -> *mut bindings::device {
        self.function.as_raw()
    }

    /// Whether a driver is bound to it right now.
    pub(super) fn has_driver(&self) -> bool {
        self.function.has_driver()
    }
}

impl Drop for PciFunction {
    fn drop(&mut self) {
        let rescan = Rescan::lock();
        let held = self.function.evict();
        // SAFETY: By the type invariant, the instance is registered. There is no driver left.
        unsafe { leave(&held, &self.instance, &rescan) };
    }
}

/// Gives a function the firmware node of an instance.
///
/// # Safety
///
/// `instance` must be registered, and stay so as long as the function has its node.
unsafe fn sit_down(
    held: &Held<'_>,
    id: EndpointId,
    instance: &Arc<Instance>,
) -> Result<(), Refusal> {
    if held.0.has_driver() {
        return Err(Refusal::InUse);
    }
    // SAFETY: Passed on.
    unsafe { Errand::run(held, Task::SitDown(id), instance) }
}

/// Takes a function out of its group, if it is behind `instance`.
///
/// # Safety
///
/// `instance` must be registered, and the function have no driver.
unsafe fn leave(held: &Held<'_>, instance: &Arc<Instance>, _rescan: &Rescan) {
    let raw = held.0.as_raw();
    // SAFETY: `raw` is valid. A function is probed and released under the lock of PCI removal, but
    // for an IOMMU that unregisters, which ours does not while there are endpoints.
    let behind = unsafe { device::instance(raw) };
    if !behind.is_some_and(|behind| ptr::eq(&*behind, &**instance)) {
        return;
    }
    // SAFETY: By the contract of this function.
    if unsafe { Errand::run(held, Task::Leave, instance) }.is_err() {
        // Out of memory. It only matters if another IOMMU registers right now.
        // SAFETY: `raw` is a member of a group, of which no driver is a user.
        unsafe { bindings::iommu_group_remove_device(raw) };
    }
}

/// Keeps PCI functions from coming and going.
struct Rescan(());

impl Rescan {
    fn lock() -> Self {
        // SAFETY: Locking has no precondition, and `drop` unlocks.
        unsafe { ffi::pci_lock(true) };
        Self(())
    }
}

impl Drop for Rescan {
    fn drop(&mut self) {
        // SAFETY: `lock` has locked it.
        unsafe { ffi::pci_lock(false) };
    }
}

/// The device lock of a function.
struct Held<'a>(&'a Function);

impl<'a> Held<'a> {
    fn lock(function: &'a Function) -> Self {
        // SAFETY: By its type invariant, the device is valid.
        unsafe { ffi::device_lock(function.as_raw()) };
        Self(function)
    }

    /// `None` where it is locked.
    fn try_lock(function: &'a Function) -> Option<Self> {
        // SAFETY: As above.
        unsafe { ffi::device_trylock(function.as_raw()) }.then(|| Self(function))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SAFETY: The constructors have locked it.
        unsafe { ffi::device_unlock(self.0.as_raw()) };
    }
}

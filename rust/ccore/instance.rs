// SPDX-License-Identifier: GPL-2.0

//! One IOMMU instance, registered with the kernel's core.

use super::{
    domain::RawDomain,
    groups::Groups,
    ops,
    pci::Errand, //
};
use crate::{
    iommu::{
        Bus,
        Domain,
        Driver, //
    },
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    container_of,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    str::CString,
    sync::{
        Arc,
        ArcBorrow,
        Completion,
        Refcount, //
    },
    types::Opaque, //
};

/// What the core and its callbacks know of an instance.
///
/// # Invariants
///
/// `iommu` and `ops` are filled in before the instance is registered, and the core alone writes
/// them from then on. `ops` refers to the static domains here and to tables of `domain_ops`.
#[pin_data]
pub(super) struct Instance {
    #[pin]
    iommu: Opaque<bindings::iommu_device>,
    #[pin]
    ops: Opaque<bindings::iommu_ops>,
    driver: Arc<dyn Driver>,
    bus: Arc<dyn Bus>,
    #[pin]
    blocked: Option<RawDomain>,
    #[pin]
    identity: Option<RawDomain>,
    /// Where it is neither of the above.
    #[pin]
    release: Option<RawDomain>,
    #[pin]
    groups: Groups,
    #[pin]
    errand: Mutex<Option<Errand>>,
    /// The registration and the paging domains.
    users: Refcount,
    #[pin]
    unused: Completion,
    fwnode: FirmwareNode,
}

// SAFETY: The core may be called from any thread, and everything else is `Send`.
unsafe impl Send for Instance {}
// SAFETY: By the type invariant, the fields that are not `Sync` are the core's.
unsafe impl Sync for Instance {}

impl Instance {
    fn new(driver: Arc<dyn Driver>, bus: Arc<dyn Bus>) -> Result<Arc<Self>> {
        let pasid = driver.features().pasid;
        let wrap = |domain: Option<&Arc<Domain>>| {
            domain.map(|domain| RawDomain::new_static(domain.clone(), pasid))
        };
        let (blocked, identity) = (wrap(driver.blocked()), wrap(driver.identity()));
        let release = driver.release_domain().filter(|domain| {
            let is = |known: Option<&Arc<Domain>>| known.is_some_and(|k| Arc::ptr_eq(k, domain));
            !is(driver.blocked()) && !is(driver.identity())
        });
        let release = wrap(release);
        let fwnode = FirmwareNode::new()?;
        let init = pin_init!(Self {
            iommu: Opaque::zeroed(),
            ops: Opaque::zeroed(),
            driver,
            bus,
            blocked,
            identity,
            release,
            groups <- Groups::new(),
            errand <- new_mutex!(None, "ccore::Instance::errand"),
            users: Refcount::new(1),
            unused <- Completion::new(),
            fwnode,
        });
        let this = Arc::pin_init(init, GFP_KERNEL)?;
        this.fill_in();
        Ok(this)
    }

    /// Fills in what the core reads.
    fn fill_in(&self) {
        let raw = |domain: &Option<RawDomain>| match domain {
            Some(domain) => domain.as_raw(),
            None => ptr::null_mut(),
        };
        let release = self.driver.release_domain().map(|domain| {
            [&self.blocked, &self.identity, &self.release]
                .into_iter()
                .flatten()
                .find(|raw| Arc::ptr_eq(raw.domain(), domain))
        });
        let table = bindings::iommu_ops {
            identity_domain: raw(&self.identity),
            blocked_domain: raw(&self.blocked),
            release_domain: release.flatten().map_or(ptr::null_mut(), RawDomain::as_raw),
            ..ops::table(self.driver.features().pasid)
        };
        // SAFETY: Nobody else knows `self` yet.
        unsafe { self.ops.get().write(table) };
        let iommu = bindings::iommu_device {
            fwnode: self.fwnode.0.as_ptr(),
            max_pasids: MAX_PASIDS,
            ..pin_init::zeroed()
        };
        // SAFETY: As above.
        unsafe { self.iommu.get().write(iommu) };
    }

    /// The instance whose [`Self::iommu`] this is.
    ///
    /// # Safety
    ///
    /// `iommu` must be that of an instance that stays registered during `'a`.
    pub(super) unsafe fn from_iommu<'a>(iommu: *mut bindings::iommu_device) -> ArcBorrow<'a, Self> {
        // SAFETY: By the contract of this function, `iommu` is that field of an `Instance`, ...
        let this = unsafe { container_of!(Opaque::cast_from(iommu), Self, iommu) };
        // SAFETY: ... which is in an `Arc`, as `new` makes no others. So this is what `Arc::as_ptr`
        // returns for it.
        unsafe { ArcBorrow::from_raw(this) }
    }

    /// What `probe_device` returns.
    pub(super) fn iommu(&self) -> *mut bindings::iommu_device {
        self.iommu.get()
    }

    pub(super) fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    pub(super) fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(super) fn errand(&self) -> &Mutex<Option<Errand>> {
        &self.errand
    }

    pub(super) fn fwnode(&self) -> *mut bindings::fwnode_handle {
        self.fwnode.0.as_ptr()
    }

    /// Makes the core probe every device that has none yet but has the firmware node of an IOMMU.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, and that of the first device or group that fails. The device may be in a group
    /// without a domain then.
    pub(super) fn probe_all(&self) -> Result {
        let fwnode = FirmwareNode::new()?;
        let iommu = bindings::iommu_device {
            fwnode: fwnode.0.as_ptr(),
            ..pin_init::zeroed()
        };
        let iommu = KBox::new(Opaque::new(iommu), GFP_KERNEL)?;
        // SAFETY: `iommu` is valid and stays where it is until it is unregistered. No device has
        // its node, so that its operations are never called; the instance keeps them.
        to_result(unsafe {
            bindings::iommu_device_register(iommu.get(), self.ops.get(), ptr::null_mut())
        })?;
        // SAFETY: It was registered above, which undoes itself on failure.
        unsafe { bindings::iommu_device_unregister(iommu.get()) };
        Ok(())
    }
}

/// As many as a PASID has values.
const MAX_PASIDS: u32 = 1 << 20;

/// A share in an instance, which [`Iommu`] waits for when it is dropped.
pub(super) struct Outlive(Arc<Instance>);

impl Outlive {
    pub(super) fn new(instance: ArcBorrow<'_, Instance>) -> Self {
        instance.users.inc();
        Self(instance.into())
    }
}

impl Drop for Outlive {
    fn drop(&mut self) {
        if self.0.users.dec_and_test() {
            self.0.unused.complete_all();
        }
    }
}

/// A driver of the contract that is registered with the kernel's core as one IOMMU.
///
/// Dropping it waits until others, as iommufd, have freed the paging domains they allocated.
pub(crate) struct Iommu {
    instance: Arc<Instance>,
    name: CString,
}

impl Iommu {
    /// Registers `driver` as `name`, which appears in `/sys/class/iommu` and must be unique there.
    /// `bus` is the hardware that it programs. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; EEXIST where the name is taken; EBUSY and others where the core refuses.
    pub(crate) fn register(
        driver: Arc<dyn Driver>,
        bus: Arc<dyn Bus>,
        name: CString,
    ) -> Result<Arc<Self>> {
        let instance = Instance::new(driver, bus)?;
        let iommu = instance.iommu.get();
        let format = c"%s".as_char_ptr();
        // SAFETY: `iommu` is valid and lives until `drop`; the format takes one string.
        to_result(unsafe {
            bindings::iommu_device_sysfs_add(
                iommu,
                ptr::null_mut(),
                ptr::null_mut(),
                format,
                name.as_char_ptr(),
            )
        })?;
        // SAFETY: As above, and `ops` is filled in. With a device, the core would replace the
        // firmware node by that device's.
        let registered = to_result(unsafe {
            bindings::iommu_device_register(iommu, instance.ops.get(), ptr::null_mut())
        });
        if let Err(error) = registered {
            // SAFETY: It was added above.
            unsafe { bindings::iommu_device_sysfs_remove(iommu) };
            return Err(error);
        }
        Ok(Arc::new(Self { instance, name }, GFP_KERNEL)?)
    }

    /// The driver.
    pub(crate) fn driver(&self) -> &Arc<dyn Driver> {
        &self.instance.driver
    }

    /// Its name.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    pub(super) fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }
}

impl Drop for Iommu {
    fn drop(&mut self) {
        let iommu = self.instance.iommu.get();
        // SAFETY: It was registered by `register`. No endpoint is left, as each holds this value.
        unsafe { bindings::iommu_device_unregister(iommu) };
        // SAFETY: It was added by `register`.
        unsafe { bindings::iommu_device_sysfs_remove(iommu) };
        if !self.instance.users.dec_and_test() {
            self.instance.unused.wait_for_completion();
        }
    }
}

/// A firmware node that stands for an IOMMU, by which the core finds the operations for a device.
///
/// # Invariants
///
/// A software node that is ours alone.
struct FirmwareNode(NonNull<bindings::fwnode_handle>);

impl FirmwareNode {
    fn new() -> Result<Self> {
        // SAFETY: A node needs neither properties nor a parent.
        let node = unsafe { bindings::fwnode_create_software_node(ptr::null(), ptr::null()) };
        let node = NonNull::new(from_err_ptr(node)?).ok_or(ENOMEM)?;
        // INVARIANT: It was just made.
        Ok(Self(node))
    }
}

impl Drop for FirmwareNode {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, it is a software node and ours.
        unsafe { bindings::fwnode_remove_software_node(self.0.as_ptr()) };
    }
}

// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/iommu_mock/<instance>`: how an instance is made.

use super::{
    claim,
    dma,
    faults,
    instance::{
        Instance,
        What, //
    },
    quota::Share,
    refuse,
    run,
    text::{
        self,
        Page,
        Written, //
    },
    Running,
    Shared,
    MAX_ENDPOINTS, //
};
use crate::{
    ccore::{
        Endpoint,
        PciAddress, //
    },
    kapi::{
        compat::configfs_attrs,
        configfs::WithChild,
        new_mutex,
        Mutex, //
    },
    mock::{
        family::{
            Family,
            Shape,
            FAMILIES, //
        },
        fault::FaultPlan,
        hw::Reach, //
    },
};
use kernel::{
    configfs,
    fmt,
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// As many as a PASID has values.
const MAX_PASIDS: u32 = 1 << 20;
/// So many group numbers fit into one attribute.
const MAX_GROUPS: u32 = 512;

/// The data of such a directory, which comes with a child `faults`.
pub(super) type InstanceDir = WithChild<Config>;

/// What is configured, and what runs.
#[pin_data]
pub(super) struct Config {
    name: CString,
    shared: Arc<Shared>,
    faults: Arc<FaultPlan>,
    #[pin]
    state: Mutex<State>,
    _share: Share,
}

struct State {
    family: Family,
    protocol: u32,
    shape: Shape,
    /// Endpoints instead of as many as `shape` says, if there are any.
    claim: KVec<PciAddress>,
    /// Nothing above changes while there is an instance.
    running: Option<Running>,
    /// Where the last access went that a user asked for.
    reached: Option<Reach>,
}

impl InstanceDir {
    /// Makes a directory for an instance that is not enabled.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn create(
        name: &CStr,
        shared: Arc<Shared>,
        share: Share,
    ) -> Result<impl PinInit<configfs::Group<Self>, Error>> {
        let item_type = configfs_attrs! {
            container: configfs::Group<InstanceDir>,
            data: InstanceDir,
            attributes: [
                family: 0,
                protocol: 1,
                endpoints: 2,
                group_size: 3,
                pasids: 4,
                enable: 5,
                groups: 6,
                claim: 7,
                dma: 8,
            ],
        };
        let plan = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        let faults = faults::directory(plan.clone())?;
        let copy: CString = name.try_into()?;
        let state = State {
            family: Family::try_from(0)?,
            protocol: 0,
            shape: Shape {
                endpoints: 1,
                group_size: 1,
                pasids: 0,
            },
            claim: KVec::new(),
            running: None,
            reached: None,
        };
        let data = try_pin_init!(Config {
            name: copy,
            shared,
            faults: plan,
            state <- new_mutex!(state, "control::Config::state"),
            _share: share,
        });
        Self::group(name.try_into()?, item_type, data, faults)
    }
}

impl Config {
    /// Changes the configuration, unless the instance is enabled.
    fn configure(&self, change: impl FnOnce(&mut State)) -> Result {
        let mut state = self.state.lock();
        if state.running.is_some() {
            return Err(self.refuse(EBUSY, fmt!("is enabled, and changes only when it is not")));
        }
        change(&mut state);
        Ok(())
    }

    fn enable(&self) -> Result {
        let mut state = self.state.lock();
        if state.running.is_some() {
            return Ok(());
        }
        let shape = state.shape;
        if shape.endpoints.div_ceil(shape.group_size) > MAX_GROUPS {
            return Err(self.refuse(ENOSPC, fmt!("has more than {MAX_GROUPS} groups")));
        }
        let faults = self.faults.clone();
        let what = What {
            family: state.family,
            protocol: state.protocol,
            shape,
            claim: &state.claim,
        };
        let running = run(&self.shared.dir, &self.name, what, faults).map_err(|failed| {
            let why = fmt!("{failed}");
            self.refuse(failed.into(), why)
        });
        state.running = Some(running?);
        Ok(())
    }

    /// The user of a device's driver may never be done, so only `rmdir` waits for it.
    fn disable(&self) -> Result {
        let mut state = self.state.lock();
        let instance = state.running.as_deref().map(|shown| &**shown);
        let mut endpoints = instance.into_iter().flat_map(Instance::endpoints);
        if endpoints.any(Endpoint::in_use) {
            return Err(self.refuse(EBUSY, fmt!("has a device that has a driver")));
        }
        state.running = None;
        state.reached = None;
        Ok(())
    }

    /// Does one access, which moves no data.
    fn access(&self, asked: dma::Asked) -> Result {
        let mut state = self.state.lock();
        let dma::Asked {
            endpoint,
            access,
            iova,
        } = asked;
        let Some(instance) = state.running.as_deref() else {
            return Err(self.refuse(ENODEV, fmt!("is not enabled")));
        };
        if instance.endpoints().get(endpoint.0 as usize).is_none() {
            return Err(self.refuse(ENODEV, fmt!("has no endpoint {}", endpoint.0)));
        }
        let reached = instance.mock().access(endpoint, None, iova, access);
        state.reached = Some(reached);
        Ok(())
    }

    fn refuse(&self, error: Error, why: fmt::Arguments<'_>) -> Error {
        let name = self.name.to_str().unwrap_or("?");
        refuse(error, fmt!("instance {name} {why}"))
    }
}

/// The numbers of an instance's groups, one a line.
struct Groups<'a>(Option<&'a Instance>);

impl fmt::Display for Groups<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.0.into_iter().flat_map(Instance::groups);
        for group in groups.map(Endpoint::group) {
            f.write_fmt(fmt!("{}\n", group.number()))?;
        }
        Ok(())
    }
}

#[vtable]
impl configfs::AttributeOperations<0> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        text::show(page, fmt!("{}\n", this.state.lock().family))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let at = Written::new("family", page)?.position(FAMILIES, |family| family.name)?;
        let family = FAMILIES.get(at).copied().ok_or(EINVAL)?;
        this.configure(|state| {
            state.family = family;
            state.protocol = 0;
        })
    }
}

#[vtable]
impl configfs::AttributeOperations<1> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        let state = this.state.lock();
        let name = state.family.protocols.get(state.protocol as usize);
        text::show(page, fmt!("{}\n", name.copied().unwrap_or("?")))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let written = Written::new("protocol", page)?;
        let protocols = this.state.lock().family.protocols;
        let protocol = written.position(protocols, |name| name)?;
        this.configure(|state| state.protocol = protocol as u32)
    }
}

#[vtable]
impl configfs::AttributeOperations<2> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        text::show(page, fmt!("{}\n", this.state.lock().shape.endpoints))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let endpoints = Written::new("endpoints", page)?.number(1..=MAX_ENDPOINTS)?;
        this.configure(|state| state.shape.endpoints = endpoints)
    }
}

#[vtable]
impl configfs::AttributeOperations<3> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        text::show(page, fmt!("{}\n", this.state.lock().shape.group_size))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let group_size = Written::new("group_size", page)?.number(1..=MAX_ENDPOINTS)?;
        this.configure(|state| state.shape.group_size = group_size)
    }
}

#[vtable]
impl configfs::AttributeOperations<4> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        text::show(page, fmt!("{}\n", this.state.lock().shape.pasids))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let pasids = Written::new("pasids", page)?.number(0..=MAX_PASIDS)?;
        this.configure(|state| state.shape.pasids = pasids)
    }
}

#[vtable]
impl configfs::AttributeOperations<5> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        let enabled = this.state.lock().running.is_some();
        text::show(page, fmt!("{}\n", u32::from(enabled)))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        match Written::new("enable", page)?.switch()? {
            true => this.enable()?,
            false => this.disable()?,
        }
        Ok(())
    }
}

#[vtable]
impl configfs::AttributeOperations<6> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        let state = this.state.lock();
        let instance = state.running.as_deref().map(|shown| &**shown);
        text::show(page, fmt!("{}", Groups(instance)))
    }
}

#[vtable]
impl configfs::AttributeOperations<7> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        text::show(page, fmt!("{}", claim::Shown(&this.state.lock().claim)))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let functions = claim::read(Written::new("claim", page)?)?;
        if !functions.is_empty() && !this.shared.claims {
            let why = fmt!(
                "may claim nothing unless iommu_mock was loaded with {}",
                claim::RISK
            );
            return Err(this.refuse(EPERM, why));
        }
        this.configure(|state| state.claim = functions)
    }
}

#[vtable]
impl configfs::AttributeOperations<8> for InstanceDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        text::show(page, fmt!("{}", dma::Shown(this.state.lock().reached)))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        this.access(dma::read(Written::new("dma", page)?)?)
    }
}

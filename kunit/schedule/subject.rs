// SPDX-License-Identifier: GPL-2.0

//! The operations that meet, and where their group starts.

/// One operation of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The device of the thread goes.
    Unplug,
    /// A user takes the group.
    Claim,
    /// The thread's domain is attached.
    Attach,
    /// The group moves to the thread's domain.
    Replace,
    /// The group leaves what this thread attached, or else the first user's domain.
    Detach,
    /// A user gives the group back.
    ReleaseOwnership,
    /// A kernel driver starts to use the device.
    Bind,
    /// A kernel driver ends that.
    Unbind,
    /// A reset of the device begins.
    ResetPrepare,
    /// It ends.
    ResetDone,
    /// A new device of the group comes.
    HotAdd,
    /// The type of the default domain changes.
    SetType,
    /// The user drops its reference to the first domain.
    FreeDomain,
    /// The thread's domain is attached, with the thread's handle.
    AttachHandle,
    /// The thread's domain is attached to a PASID, with the thread's handle.
    AttachPasid,
    /// The PASID leaves what this thread attached, or else the first user's domain.
    DetachPasid,
}

impl Subject {
    /// All of them; a scene names them by place.
    pub(crate) const ALL: [Subject; 16] = [
        Subject::Unplug,
        Subject::Claim,
        Subject::Attach,
        Subject::Replace,
        Subject::Detach,
        Subject::ReleaseOwnership,
        Subject::Bind,
        Subject::Unbind,
        Subject::ResetPrepare,
        Subject::ResetDone,
        Subject::HotAdd,
        Subject::SetType,
        Subject::FreeDomain,
        Subject::AttachHandle,
        Subject::AttachPasid,
        Subject::DetachPasid,
    ];

    /// The same, to borrow from.
    pub(crate) const LIST: &'static [Subject] = &Self::ALL;

    /// What a timeline calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Subject::Unplug => "unplug",
            Subject::Claim => "claim",
            Subject::Attach => "attach",
            Subject::Replace => "replace",
            Subject::Detach => "detach",
            Subject::ReleaseOwnership => "release ownership",
            Subject::Bind => "bind",
            Subject::Unbind => "unbind",
            Subject::ResetPrepare => "reset prepare",
            Subject::ResetDone => "reset done",
            Subject::HotAdd => "hot-add",
            Subject::SetType => "set type",
            Subject::FreeDomain => "free domain",
            Subject::AttachHandle => "attach with handle",
            Subject::AttachPasid => "attach PASID",
            Subject::DetachPasid => "detach PASID",
        }
    }
}

/// Where a group starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nobody uses it.
    Free,
    /// A kernel driver is bound.
    Bound,
    /// A user has it; it is blocked.
    Owned,
    /// A user has it, and the first domain is attached.
    Attached,
    /// So it is, and the first device is being reset.
    Recovering,
    /// A user has it, and the first domain is attached with a handle, also to a PASID if there are
    /// any.
    Shared,
}

impl Start {
    /// All of them.
    pub(crate) const ALL: [Start; 6] = [
        Start::Free,
        Start::Bound,
        Start::Owned,
        Start::Attached,
        Start::Recovering,
        Start::Shared,
    ];
}

/// How many members a group has, and on which ones the threads work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Members.
    pub(crate) members: u32,
    /// The device of each thread.
    pub(crate) devices: [u32; 3],
}

/// Groups of 1 to 3 members.
pub(crate) const LAYOUTS: [Layout; 4] = [
    Layout::new(1, [0, 0, 0]),
    Layout::new(2, [0, 0, 0]),
    Layout::new(2, [0, 1, 0]),
    Layout::new(3, [0, 2, 1]),
];

impl Layout {
    const fn new(members: u32, devices: [u32; 3]) -> Self {
        Self { members, devices }
    }
}

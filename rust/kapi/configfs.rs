// SPDX-License-Identifier: GPL-2.0

//! Directories of configfs that come with a child of their own, which the `kernel` crate lacks.
//!
//! C header: [`include/linux/configfs.h`](srctree/include/linux/configfs.h)

use super::ffi;
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    configfs::{
        Group,
        HasGroup,
        ItemType, //
    },
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// Compiles for data of a directory only: the `kernel` crate hands `&D` to any thread, and drops
/// `D` on any, without asking whether that may be.
pub(crate) const fn check_shared<D: Send + Sync + 'static>() {}

/// Data of a directory that has a child from the beginning, which the user cannot remove.
#[pin_data]
pub(crate) struct WithChild<D> {
    #[pin]
    data: D,
    /// Goes last.
    child: Child,
}

impl<D: Send + Sync + 'static> WithChild<D> {
    /// Makes a directory with `data` and one child, both fit for [`check_shared`].
    ///
    /// # Errors
    ///
    /// ENOMEM, and those of both initialisers.
    pub(crate) fn group<C: Send + Sync + 'static>(
        name: CString,
        item_type: &'static ItemType<Group<Self>, Self>,
        data: impl PinInit<D, Error>,
        child: impl PinInit<Group<C>, Error>,
    ) -> Result<impl PinInit<Group<Self>, Error>> {
        let child = Child::new(Arc::pin_init(child, GFP_KERNEL)?);
        let raw = child.0;
        let data = try_pin_init!(Self { data <- data, child });
        let group = Group::new(name, item_type, data);
        Ok(group.pin_chain(move |group| {
            // SAFETY: `group` is initialised, and pinned until its `child` is dropped. `raw` is
            // that child, which was just made and is in no list.
            unsafe { ffi::configfs_add_child(raw.as_ptr(), Group::group(&*group).cast_mut()) };
            Ok(())
        }))
    }
}

impl<D> Deref for WithChild<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.data
    }
}

/// A child.
///
/// # Invariants
///
/// A group that is in the list of the directory it is a field of, or in none. Its first reference
/// is ours.
struct Child(NonNull<bindings::config_group>);

// SAFETY: Groups are counted references, and their data are `Send` and `Sync` by the bounds of
// `WithChild::group`.
unsafe impl Send for Child {}
// SAFETY: Nothing is done with a shared reference.
unsafe impl Sync for Child {}

impl Child {
    fn new<C>(group: Arc<Group<C>>) -> Self {
        let group = group.into_raw();
        // SAFETY: `group` is valid.
        let raw = unsafe { Group::<C>::group(group) }.cast_mut();
        // INVARIANT: The reference that a group is born with stands for the `Arc`, which the
        // group's release gives back.
        // SAFETY: A field of something is not at address 0.
        Self(unsafe { NonNull::new_unchecked(raw) })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The directory, and so the head of its list, is still
        // there, as this is one of its fields.
        unsafe { ffi::configfs_put_child(self.0.as_ptr()) };
    }
}

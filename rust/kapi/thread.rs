// SPDX-License-Identifier: GPL-2.0

//! Kernel threads that are joined.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use core::ptr;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    sync::{
        Arc,
        Completion, //
    },
};

/// What a thread does.
pub(crate) trait Run: Send + Sync + 'static {
    /// Runs in the thread, once.
    fn run(&self);
}

/// What the thread and its owner share.
#[pin_data]
struct Shared<T> {
    work: Arc<T>,
    #[pin]
    done: Completion,
}

/// A running thread. Dropping it waits for its end.
///
/// # Invariants
///
/// `task` is a thread that was woken up to run [`main`] on `shared` and that nobody else stops,
/// with a count of ours. `shared` lives until that is done.
pub(crate) struct Thread<T: Run> {
    task: ptr::NonNull<bindings::task_struct>,
    shared: Pin<KBox<Shared<T>>>,
}

impl<T: Run> Thread<T> {
    /// Starts a thread.
    ///
    /// # Errors
    ///
    /// ENOMEM, or what keeps a thread from being made.
    pub(crate) fn spawn(work: Arc<T>) -> Result<Self> {
        let init = pin_init!(Shared { work, done <- Completion::new() });
        let shared = KBox::pin_init(init, GFP_KERNEL)?;
        let data = ptr::from_ref(&*shared).cast_mut().cast();
        // SAFETY: `shared` lives until `drop()` has seen the end of `main`. The name has no
        // conversions.
        let task = from_err_ptr(unsafe {
            let name = c"iommu_mock_kunit";
            bindings::kthread_create_on_node(Some(main::<T>), data, -1, name.as_char_ptr())
        })?;
        let task = ptr::NonNull::new(task).ok_or(ENOMEM)?;
        // SAFETY: A thread that was not woken up yet is still there.
        unsafe { bindings::get_task_struct(task.as_ptr()) };
        // SAFETY: As above.
        unsafe { bindings::wake_up_process(task.as_ptr()) };
        // INVARIANT: It was woken up, and the count is ours.
        Ok(Self { task, shared })
    }
}

impl<T: Run> Drop for Thread<T> {
    fn drop(&mut self) {
        // Stopped before its first run, it would never run.
        self.shared.done.wait_for_completion();
        // SAFETY: By the type invariant; gives the count back.
        unsafe { bindings::kthread_stop_put(self.task.as_ptr()) };
    }
}

/// # Safety
///
/// Called by the kernel in a new thread with a `Shared<T>` that outlives it.
unsafe extern "C" fn main<T: Run>(data: *mut c_void) -> c_int {
    // SAFETY: By the contract of this function.
    let shared = unsafe { &*data.cast::<Shared<T>>() };
    shared.work.run();
    shared.done.complete_all();
    0
}

// SAFETY: What is shared may be used by any thread, as `T` is `Sync`, and dropped by any, as it is
// `Send`; a task may be stopped by any.
unsafe impl<T: Run> Send for Thread<T> {}

/// Lets another thread run, if there is one.
pub(crate) fn yield_now() {
    // SAFETY: Only called where sleeping is allowed, as all of a test's thread is.
    unsafe { bindings::yield_() };
}

// SPDX-License-Identifier: GPL-2.0

//! Declaring suites: cases with parameters and a speed, for one or each of several variants.

use super::Outcome;
use crate::kapi::text::Truncating;
use core::{
    ffi::CStr,
    ptr, //
};
use kernel::{
    bindings,
    fmt,
    prelude::*, //
};

/// A value that a case is run with.
pub(crate) trait Param: 'static {
    /// Writes the short text that names the value in the results.
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Param for () {
    fn label(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

struct Label<'a, P>(&'a P);

impl<P: Param> fmt::Display for Label<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.label(f)
    }
}

/// One case of a suite; [`kunit_suite!`] implements it.
#[doc(hidden)]
pub(crate) trait Case {
    type Param: Param;
    const PARAMS: &'static [Self::Param];
    fn run(param: &Self::Param) -> Outcome;
}

/// The C description of a case without parameters.
#[doc(hidden)]
pub(crate) const fn plain<C: Case<Param = ()>>(name: &'static CStr, slow: bool) -> RawCase {
    raw(name, run_plain::<C>, slow)
}

/// The C description of a case that is run once for each of its parameters.
#[doc(hidden)]
pub(crate) const fn each<C: Case>(name: &'static CStr, slow: bool) -> RawCase {
    let mut case = raw(name, run_each::<C>, slow);
    case.generate_params = Some(next_param::<C>);
    case
}

/// The C type of a case.
#[doc(hidden)]
pub(crate) type RawCase = bindings::kunit_case;

#[expect(
    clippy::disallowed_methods,
    reason = "`as_char_ptr()` is not const, and the cast makes up for the other's type"
)]
const fn raw(
    name: &'static CStr,
    run: unsafe extern "C" fn(*mut bindings::kunit),
    slow: bool,
) -> RawCase {
    bindings::kunit_case {
        run_case: Some(run),
        name: name.as_ptr().cast(),
        attr: bindings::kunit_attributes {
            speed: if slow {
                bindings::kunit_speed_KUNIT_SPEED_SLOW
            } else {
                bindings::kunit_speed_KUNIT_SPEED_NORMAL
            },
        },
        ..pin_init::zeroed()
    }
}

/// # Safety
///
/// Called by KUnit with the running test.
unsafe extern "C" fn run_plain<C: Case<Param = ()>>(_test: *mut bindings::kunit) {
    // A failure has been recorded by `fail`.
    let _ = C::run(&());
}

/// # Safety
///
/// Called by KUnit with the running test, whose parameter came from [`next_param`].
unsafe extern "C" fn run_each<C: Case>(test: *mut bindings::kunit) {
    // SAFETY: By the contract of this function, the parameter points into `C::PARAMS`.
    let param = unsafe { &*(*test).param_value.cast::<C::Param>() };
    let _ = C::run(param);
}

/// # Safety
///
/// Called by KUnit: `prev` is null or what this function returned before, and `desc` has room for
/// `KUNIT_PARAM_DESC_SIZE` bytes.
unsafe extern "C" fn next_param<C: Case>(
    _test: *mut bindings::kunit,
    prev: *const c_void,
    desc: *mut c_char,
) -> *const c_void {
    let mut rest = C::PARAMS.iter();
    if !prev.is_null() {
        rest.find(|p| ptr::eq(ptr::from_ref(*p).cast(), prev));
    }
    let Some(param) = rest.next() else {
        return ptr::null();
    };
    // SAFETY: By the contract of this function, `desc` has that many bytes.
    let out = unsafe {
        core::slice::from_raw_parts_mut(desc.cast::<u8>(), bindings::KUNIT_PARAM_DESC_SIZE as usize)
    };
    let mut writer = Truncating::new(out);
    let _ = fmt::Write::write_fmt(&mut writer, fmt!("{}", Label(param)));
    ptr::from_ref(param).cast()
}

/// What suites are run once for each of.
pub(crate) trait Variants {
    /// What the name of every such suite begins with. Behind it stands the name of the variant.
    const PREFIX: &'static str;

    /// Their names, of up to two words. The first is in no suite's name.
    const NAMES: &'static [VariantName];

    /// Makes the variant of that number the one that cases are run with.
    fn select(at: usize);
}

/// The words of a variant's name. An empty one is left out.
pub(crate) type VariantName = [&'static str; 2];

/// The C type of a suite.
#[doc(hidden)]
pub(crate) type RawSuite = bindings::kunit_suite;

/// The C descriptions of suite `name` for each of `N` variants; `cases` is an array of `per_suite`
/// for each.
#[doc(hidden)]
pub(crate) const fn suites<V: Variants, const N: usize>(
    name: &'static str,
    cases: *mut RawCase,
    per_suite: usize,
) -> [RawSuite; N] {
    let mut suites = [const { pin_init::zeroed::<RawSuite>() }; N];
    let mut at = 0;
    while at < N {
        let suite = &mut suites[at];
        suite.name = variant_name(V::PREFIX, V::NAMES[at], name, at == 0);
        suite.suite_init = Some(enter::<V>);
        suite.suite_exit = Some(leave::<V>);
        suite.test_cases = cases.wrapping_add(at * per_suite);
        suite.attr.speed = bindings::kunit_speed_KUNIT_SPEED_NORMAL;
        at += 1;
    }
    suites
}

/// Where each of `suites` is.
#[doc(hidden)]
pub(crate) const fn entries<const N: usize>(suites: *mut [RawSuite; N]) -> [*mut RawSuite; N] {
    let mut entries = [ptr::null_mut(); N];
    let mut at = 0;
    while at < N {
        entries[at] = suites.cast::<RawSuite>().wrapping_add(at);
        at += 1;
    }
    entries
}

/// `name`, with `variant` between `prefix` and the rest unless it is the first.
const fn variant_name(
    prefix: &str,
    [one, two]: VariantName,
    name: &str,
    first: bool,
) -> [c_char; 256] {
    let (_, rest) = name.as_bytes().split_at(prefix.len());
    let (prefix, one, two) = (prefix.as_bytes(), one.as_bytes(), two.as_bytes());
    let parts: [&[u8]; 6] = match (first, two) {
        (true, _) => [name.as_bytes(), b"", b"", b"", b"", b""],
        (false, b"") => [prefix, one, b"_", rest, b"", b""],
        (false, _) => [prefix, one, b"_", two, b"_", rest],
    };
    let mut out = [0; 256];
    let (mut to, mut part) = (0, 0);
    while part < parts.len() {
        let mut from = 0;
        while from < parts[part].len() {
            // CAST: The text is ASCII.
            out[to] = parts[part][from] as c_char;
            to += 1;
            from += 1;
        }
        part += 1;
    }
    // The NUL must have found room.
    assert!(to < out.len());
    out
}

/// The number of the variant that a suite is named after: the one with most words, if there are
/// several.
fn variant_of<V: Variants>(suite: &str) -> usize {
    let words = |variant: &VariantName| {
        let mut rest = suite.strip_prefix(V::PREFIX)?;
        let words = variant.iter().filter(|word| !word.is_empty());
        for word in words.clone() {
            rest = rest.strip_prefix(*word)?.strip_prefix('_')?;
        }
        Some(words.count())
    };
    let others = V::NAMES.iter().enumerate().skip(1);
    others
        .max_by_key(|(_, variant)| words(variant))
        .filter(|(_, variant)| words(variant).is_some())
        .map_or(0, |(at, _)| at)
}

/// # Safety
///
/// Called by KUnit with a suite that [`suites`] has made, or a copy of it.
unsafe extern "C" fn enter<V: Variants>(suite: *mut RawSuite) -> c_int {
    // SAFETY: By the contract of this function, there is a NUL-terminated name.
    let name = unsafe { CStr::from_char_ptr((&raw const (*suite).name).cast()) };
    V::select(variant_of::<V>(name.to_str().unwrap_or_default()));
    0
}

/// # Safety
///
/// Called by KUnit.
unsafe extern "C" fn leave<V: Variants>(_suite: *mut RawSuite) {
    V::select(0);
}

/// Declares a KUnit suite.
///
/// ```text
/// kunit_suite! {
///     iommu_mock_attach over Families:
///     attach_is_refused_while_owned;
///     attach_moves_every_member: each Size in SIZES;
///     attach_survives_everything: slow each Size in SIZES;
/// }
/// ```
///
/// A case is a function of that name, `fn() -> Outcome`, or `fn(&P) -> Outcome` where it is run for
/// `each P` of a constant table. With `over V`, there is one such suite for each of the
/// [`Variants`] `V`.
macro_rules! kunit_suite {
    ($suite:ident: $($case:ident $(: $($how:ident)+)?;)+) => {
        const _: () = {
            static mut CASES: [
                $crate::kapi::kunit::RawCase; [$(stringify!($case)),+].len() + 1
            ] = [
                $($crate::kapi::kunit::kunit_case!($case $($($how)+)?),)+
                ::pin_init::zeroed(),
            ];
            ::kernel::kunit_unsafe_test_suite!($suite, CASES);
        };
    };
    ($suite:ident over $variants:ident: $($case:ident $(: $($how:ident)+)?;)+) => {
        const _: () = {
            use $crate::kapi::kunit::{RawCase, RawSuite, Variants};
            const VARIANTS: usize = <$variants as Variants>::NAMES.len();
            const EACH: [RawCase; [$(stringify!($case)),+].len() + 1] = [
                $($crate::kapi::kunit::kunit_case!($case $($($how)+)?),)+
                ::pin_init::zeroed(),
            ];
            static mut CASES: [[RawCase; EACH.len()]; VARIANTS] = [EACH; VARIANTS];
            static mut SUITES: [RawSuite; VARIANTS] = $crate::kapi::kunit::suites::<$variants, _>(
                stringify!($suite),
                (&raw mut CASES).cast(),
                EACH.len(),
            );
            #[used(compiler)]
            #[link_section = ".kunit_test_suites"]
            static mut ENTRIES: [*mut RawSuite; VARIANTS] =
                $crate::kapi::kunit::entries(&raw mut SUITES);
        };
    };
}
pub(crate) use kunit_suite;

macro_rules! kunit_case {
    ($case:ident) => { $crate::kapi::kunit::kunit_case!(@plain $case, false) };
    ($case:ident slow) => { $crate::kapi::kunit::kunit_case!(@plain $case, true) };
    ($case:ident each $param:ident in $params:ident) => {
        $crate::kapi::kunit::kunit_case!(@each $case, $param, $params, false)
    };
    ($case:ident slow each $param:ident in $params:ident) => {
        $crate::kapi::kunit::kunit_case!(@each $case, $param, $params, true)
    };
    (@plain $case:ident, $slow:literal) => {{
        struct This;
        impl $crate::kapi::kunit::Case for This {
            type Param = ();
            const PARAMS: &'static [()] = &[];
            fn run(_: &()) -> $crate::kapi::kunit::Outcome {
                $case()
            }
        }
        $crate::kapi::kunit::plain::<This>(::kernel::c_str!(stringify!($case)), $slow)
    }};
    (@each $case:ident, $param:ident, $params:ident, $slow:literal) => {{
        struct This;
        impl $crate::kapi::kunit::Case for This {
            type Param = $param;
            const PARAMS: &'static [$param] = &$params;
            fn run(param: &$param) -> $crate::kapi::kunit::Outcome {
                $case(param)
            }
        }
        $crate::kapi::kunit::each::<This>(::kernel::c_str!(stringify!($case)), $slow)
    }};
}
pub(crate) use kunit_case;

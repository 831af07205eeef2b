// SPDX-License-Identifier: GPL-2.0

//! What debugfs shows of hardware with tables in memory.

use crate::{
    families::Families,
    fixture::Fixture,
    iommu::EndpointId,
    kapi::kunit::{
        check,
        kunit_suite,
        Outcome, //
    },
    mark,
    mock::hw::machine::Inspect, //
};
use kernel::{
    fmt,
    prelude::*,
    str::CString, //
};

kunit_suite! {
    iommu_mock_inspect over Families:
    every_step_of_an_attach_is_in_the_trace;
    line_of_the_iotlb_is_shown_until_it_is_flushed;
}

type Show<'a> = &'a dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result;

struct Text<'a>(Show<'a>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

fn text(show: Show<'_>) -> Result<CString> {
    CString::try_from_fmt(fmt!("{}", Text(show)))
}

fn lines(text: &CStr) -> usize {
    text.to_bytes()
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

fn steps(hardware: &dyn Inspect) -> u64 {
    let counts = hardware.counts();
    counts.stores + counts.commands + counts.waits + counts.calls
}

fn every_step_of_an_attach_is_in_the_trace() -> Outcome {
    let fixture = Fixture::new(1)?;
    let Some((hardware, from)) = fixture.mock().inspect(EndpointId(0)) else {
        // This family has one register.
        return Ok(());
    };
    let before = (
        text(&|f| hardware.show_entries(from, f))?,
        lines(&text(&|f| hardware.show_trace(f))?),
        lines(&text(&|f| hardware.show_commands(f))?),
        hardware.counts(),
    );
    let domain = fixture.domain()?;
    check!(fixture.group()?.attach(&domain).is_ok());

    let entries = text(&|f| hardware.show_entries(from, f))?;
    check!(lines(&entries) != 0);
    check!(entries.to_bytes() != before.0.to_bytes());
    let counts = hardware.counts();
    let asked = counts.commands + counts.waits + counts.calls
        - (before.3.commands + before.3.waits + before.3.calls);
    check!(asked != 0);
    let shown = lines(&text(&|f| hardware.show_commands(f))?) - before.2;
    check!(
        shown as u64 == asked,
        "{shown} of {asked} commands are shown"
    );
    // The trace has those, stores, barriers, and what the books say.
    let traced = lines(&text(&|f| hardware.show_trace(f))?) - before.1;
    check!(
        traced as u64
            >= steps(hardware)
                - (before.3.stores + before.3.commands + before.3.waits + before.3.calls)
    );
    Ok(())
}

fn line_of_the_iotlb_is_shown_until_it_is_flushed() -> Outcome {
    let fixture = Fixture::new(1)?;
    let domain = fixture.domain()?;
    check!(fixture.group()?.attach(&domain).is_ok());
    let Some((hardware, _)) = fixture.mock().inspect(EndpointId(0)) else {
        return Ok(());
    };
    let before = lines(&text(&|f| hardware.show_iotlb(f))?);
    fixture.truth(0);
    check!(lines(&text(&|f| hardware.show_iotlb(f))?) == before + 1);
    domain.unmap(mark::IOVA, mark::SIZE);
    check!(lines(&text(&|f| hardware.show_iotlb(f))?) <= before);
    // As it was, for what looks at the group when the fixture goes.
    mark::mark(&domain)?;
    Ok(())
}

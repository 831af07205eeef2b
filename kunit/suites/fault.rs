// SPDX-License-Identifier: GPL-2.0

//! The fault plan itself: which call it fails, and what it says of its rules.

use crate::{
    iommu::{
        EndpointId,
        Kind, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::fault::{
        FaultPlan,
        Op,
        Progress,
        Rule, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_fault:
    rule_counts_its_own_hits;
    rule_that_was_removed_hits_no_more;
    rule_spares_the_kind_it_excepts;
}

const DEVICE: Option<EndpointId> = Some(EndpointId(1));

fn plan() -> Result<Arc<FaultPlan>> {
    Arc::pin_init(FaultPlan::new(), GFP_KERNEL)
}

fn attach_fails(plan: &FaultPlan, to: Kind) -> bool {
    plan.hit(Op::Attach, DEVICE, Some(to)).is_some()
}

fn rule_counts_its_own_hits() -> Outcome {
    let plan = plan()?;
    let other = plan.arm(Rule::once(Op::Map, EIO))?;
    let rule = plan.arm(
        Rule::once(Op::Attach, EIO)
            .at(EndpointId(1))
            .after(1)
            .times(2),
    )?;
    let expected = [
        (false, 0, false),
        (true, 1, false),
        (true, 2, true),
        (false, 2, true),
    ];
    for (fails, hits, spent) in expected {
        check_eq!(attach_fails(&plan, Kind::Paging), fails);
        check_eq!(plan.progress(rule), Some(Progress { hits, spent }));
    }
    let untouched = Progress {
        hits: 0,
        spent: false,
    };
    check_eq!(plan.progress(other), Some(untouched));
    check_eq!(plan.hits(), 2);
    Ok(())
}

fn rule_that_was_removed_hits_no_more() -> Outcome {
    let plan = plan()?;
    let first = plan.arm(Rule::once(Op::Attach, EIO))?;
    let second = plan.arm(Rule::once(Op::Attach, ENOSPC))?;
    check!(first != second);
    plan.disarm(first);
    check_eq!(plan.progress(first), None);
    let fault = plan.hit(Op::Attach, DEVICE, Some(Kind::Paging));
    check_eq!(fault.map(|fault| fault.error), Some(ENOSPC));
    plan.disarm(second);
    check!(!attach_fails(&plan, Kind::Paging));
    check_eq!(plan.hits(), 1);
    Ok(())
}

fn rule_spares_the_kind_it_excepts() -> Outcome {
    let plan = plan()?;
    plan.add(Rule::once(Op::Attach, EIO).except(Kind::Blocked).times(2))?;
    check!(!attach_fails(&plan, Kind::Blocked));
    check!(attach_fails(&plan, Kind::Identity));
    check!(attach_fails(&plan, Kind::Paging));
    check!(!attach_fails(&plan, Kind::Paging));
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0

//! The hardware as endpoints find it.

use super::EndpointId;

/// What is in front of endpoints that move data.
pub(crate) trait Bus: Send + Sync {
    /// Does one read of an endpoint and returns the physical address that it reaches; `None` where
    /// it is aborted. May sleep.
    fn read(&self, endpoint: EndpointId, iova: u64) -> Option<u64>;

    /// Does one write of it.
    fn write(&self, endpoint: EndpointId, iova: u64) -> Option<u64>;
}

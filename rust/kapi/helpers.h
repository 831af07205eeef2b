/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of the C helpers that Rust calls. Each of the two modules has a copy
 * with a prefix of its own, so that both may be loaded or built in.
 */
#ifndef IOMMU_MOCK_KAPI_HELPERS_H
#define IOMMU_MOCK_KAPI_HELPERS_H

#ifdef IOMMU_MOCK_KUNIT
#define HELPER(name) iommu_mock_kunit_##name
#else
#define HELPER(name) iommu_mock_##name
#endif

#endif

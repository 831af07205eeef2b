# SPDX-License-Identifier: GPL-2.0
"""Build and run side of iommu-mock: what stands behind the make targets."""

// SPDX-License-Identifier: GPL-2.0
/* A client of dmaengine. */
#define IOMMU_MOCK_KUNIT
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/dmaengine.h>
#include <linux/jiffies.h>

#include "../../rust/kapi/helpers.h"

struct batch {
	struct completion all;
	atomic_t left;
	atomic_t turn;
};

/* Known to rust/ccore/consumer/channel.rs. */
struct transfer {
	u64 from, to;
	u32 len;

	u32 residue;
	s32 result;	/* enum dmaengine_tx_result */
	s32 before;	/* enum dma_status before it is issued */
	s32 after;	/* enum dma_status after all have ended */
	u32 turn;	/* from 1 on, in the order in which they ended */
	s32 cookie;
	struct batch *batch;
};

struct dma_chan *HELPER(client_request)(struct device *dev);
void HELPER(client_release)(struct dma_chan *chan);
int HELPER(client_copy)(struct dma_chan *chan, struct transfer *transfers,
			u32 count);
int HELPER(client_drop)(struct dma_chan *chan, struct transfer *transfers,
			u32 count);

static bool is_of(struct dma_chan *chan, void *dev)
{
	return chan->device->dev == dev;
}

/* NULL where the device has none that is free. */
struct dma_chan *HELPER(client_request)(struct device *dev)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	return dma_request_channel(mask, is_of, dev);
}

void HELPER(client_release)(struct dma_chan *chan)
{
	dma_release_channel(chan);
}

static void ended(void *param, const struct dmaengine_result *result)
{
	struct transfer *transfer = param;
	struct batch *batch = transfer->batch;

	transfer->residue = result->residue;
	transfer->result = result->result;
	transfer->turn = atomic_inc_return(&batch->turn);
	if (atomic_dec_and_test(&batch->left))
		complete(&batch->all);
}

static s32 status_of(struct dma_chan *chan, s32 cookie)
{
	return dma_async_is_tx_complete(chan, cookie, NULL, NULL);
}

static int submit(struct dma_chan *chan, struct batch *batch,
		  struct transfer *transfers, u32 count)
{
	struct dma_async_tx_descriptor *tx;
	struct transfer *transfer;

	init_completion(&batch->all);
	atomic_set(&batch->left, count);
	atomic_set(&batch->turn, 0);
	for (transfer = transfers; transfer < transfers + count; transfer++) {
		tx = dmaengine_prep_dma_memcpy(chan, transfer->to, transfer->from,
					       transfer->len,
					       DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
		if (!tx)
			return -ENOMEM;
		transfer->turn = 0;
		transfer->batch = batch;
		tx->callback_result = ended;
		tx->callback_param = transfer;
		transfer->cookie = dmaengine_submit(tx);
		if (dma_submit_error(transfer->cookie))
			return -EIO;
	}
	for (transfer = transfers; transfer < transfers + count; transfer++)
		transfer->before = status_of(chan, transfer->cookie);
	return 0;
}

/* Copies all, as one batch, and waits for the last of them. */
int HELPER(client_copy)(struct dma_chan *chan, struct transfer *transfers,
			u32 count)
{
	struct transfer *transfer;
	struct batch batch;
	int ret;

	ret = submit(chan, &batch, transfers, count);
	if (!ret) {
		dma_async_issue_pending(chan);
		if (!wait_for_completion_timeout(&batch.all, 20 * HZ))
			ret = -ETIMEDOUT;
	}
	if (ret)
		dmaengine_terminate_sync(chan);
	for (transfer = transfers; transfer < transfers + count; transfer++)
		transfer->after = status_of(chan, transfer->cookie);
	return ret;
}

/* Submits all and takes them back: none may end. */
int HELPER(client_drop)(struct dma_chan *chan, struct transfer *transfers,
			u32 count)
{
	struct transfer *transfer;
	struct batch batch;
	int ret;

	ret = submit(chan, &batch, transfers, count);
	dmaengine_terminate_sync(chan);
	dma_async_issue_pending(chan);
	dmaengine_synchronize(chan);
	for (transfer = transfers; transfer < transfers + count; transfer++)
		transfer->after = status_of(chan, transfer->cookie);
	return ret;
}

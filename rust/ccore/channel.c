// SPDX-License-Identifier: GPL-2.0
/*
 * A channel of dmaengine that copies memory, one copy after the other, in a
 * worker: where a copy goes is asked of Rust, and that may sleep.
 */
#include <linux/cleanup.h>
#include <linux/dmaengine.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../kapi/helpers.h"

/* How many bytes were copied; *result says why not all of them. */
typedef size_t (*copy_fn)(const void *engine, u64 to, u64 from, size_t len,
			  int *result);

void *HELPER(channel_add)(struct device *dev, void *engine, copy_fn copy);
void *HELPER(channel_remove)(void *channel);
int HELPER(channel_move)(u64 to, u64 from, size_t len);

#ifdef CONFIG_DMA_ENGINE
struct copy {
	struct dma_async_tx_descriptor tx;
	struct list_head node;
	dma_addr_t to, from;
	size_t len;
};

/* As many cookies back it is known which have failed. */
#define KNOWN 64

struct channel {
	struct dma_device device;
	struct dma_chan chan;
	struct workqueue_struct *queue;
	struct work_struct work;
	void *engine;
	copy_fn copy;

	spinlock_t lock; /* for what follows */
	struct list_head prepared, submitted, issued;
	struct copy *running;
	u64 failed;
	bool held, gone;
	wait_queue_head_t let_go;
};

static struct channel *of_chan(struct dma_chan *chan)
{
	return container_of(chan, struct channel, chan);
}

static u64 cookie_bit(dma_cookie_t cookie)
{
	return BIT_ULL((u32)cookie % KNOWN);
}

static dma_cookie_t submit(struct dma_async_tx_descriptor *tx)
{
	struct channel *channel = of_chan(tx->chan);
	struct copy *copy = container_of(tx, struct copy, tx);
	struct dma_chan *chan = tx->chan;

	guard(spinlock_irqsave)(&channel->lock);
	chan->cookie = chan->cookie == INT_MAX ? DMA_MIN_COOKIE : chan->cookie + 1;
	tx->cookie = chan->cookie;
	list_move_tail(&copy->node, &channel->submitted);
	return tx->cookie;
}

static struct dma_async_tx_descriptor *prepare(struct dma_chan *chan,
					       dma_addr_t to, dma_addr_t from,
					       size_t len, unsigned long flags)
{
	struct channel *channel = of_chan(chan);
	struct copy *copy = kzalloc(sizeof(*copy), GFP_NOWAIT);

	if (!copy)
		return NULL;
	dma_async_tx_descriptor_init(&copy->tx, chan);
	copy->tx.flags = flags;
	copy->tx.tx_submit = submit;
	copy->to = to;
	copy->from = from;
	copy->len = len;

	guard(spinlock_irqsave)(&channel->lock);
	list_add_tail(&copy->node, &channel->prepared);
	return &copy->tx;
}

static void issue(struct dma_chan *chan)
{
	struct channel *channel = of_chan(chan);

	guard(spinlock_irqsave)(&channel->lock);
	list_splice_tail_init(&channel->submitted, &channel->issued);
	if (!list_empty(&channel->issued))
		queue_work(channel->queue, &channel->work);
}

static enum dma_status status(struct dma_chan *chan, dma_cookie_t cookie,
			      struct dma_tx_state *state)
{
	struct channel *channel = of_chan(chan);
	enum dma_status status;
	dma_cookie_t last;

	guard(spinlock_irqsave)(&channel->lock);
	last = chan->completed_cookie;
	dma_set_tx_state(state, last, chan->cookie, 0);
	status = dma_async_is_complete(cookie, last, chan->cookie);
	if (status == DMA_COMPLETE && (u32)last - (u32)cookie < KNOWN &&
	    channel->failed & cookie_bit(cookie))
		return DMA_ERROR;
	return status;
}

static struct copy *next(struct channel *channel)
{
	guard(spinlock_irq)(&channel->lock);
	channel->running = list_first_entry_or_null(&channel->issued,
						    struct copy, node);
	if (channel->running)
		list_del_init(&channel->running->node);
	return channel->running;
}

/* Whether anybody is still to be told. */
static bool complete_copy(struct channel *channel, struct copy *copy,
			  enum dmaengine_tx_result result)
{
	dma_cookie_t cookie = copy->tx.cookie;

	guard(spinlock_irq)(&channel->lock);
	if (!channel->running)
		return false;
	channel->running = NULL;
	channel->chan.completed_cookie = cookie;
	channel->failed &= ~cookie_bit(cookie);
	if (result != DMA_TRANS_NOERROR)
		channel->failed |= cookie_bit(cookie);
	return true;
}

static void work(struct work_struct *work)
{
	struct channel *channel = container_of(work, struct channel, work);
	struct copy *copy;

	while ((copy = next(channel))) {
		struct dmaengine_result result = {};
		int why = DMA_TRANS_NOERROR;
		bool tell;

		result.residue = copy->len - channel->copy(channel->engine,
							   copy->to, copy->from,
							   copy->len, &why);
		result.result = why;
		tell = complete_copy(channel, copy, why);
		dma_descriptor_unmap(&copy->tx);
		/* Clients expect a tasklet. */
		local_bh_disable();
		if (tell && copy->tx.callback_result)
			copy->tx.callback_result(copy->tx.callback_param,
						 &result);
		else if (tell && copy->tx.callback)
			copy->tx.callback(copy->tx.callback_param);
		local_bh_enable();
		kfree(copy);
	}
}

static int terminate(struct dma_chan *chan)
{
	struct channel *channel = of_chan(chan);
	struct copy *copy, *tmp;
	LIST_HEAD(dropped);

	scoped_guard(spinlock_irqsave, &channel->lock) {
		list_splice_tail_init(&channel->prepared, &dropped);
		list_splice_tail_init(&channel->submitted, &dropped);
		list_splice_tail_init(&channel->issued, &dropped);
		channel->running = NULL;
	}
	list_for_each_entry_safe(copy, tmp, &dropped, node) {
		dma_descriptor_unmap(&copy->tx);
		kfree(copy);
	}
	return 0;
}

static void synchronize(struct dma_chan *chan)
{
	flush_work(&of_chan(chan)->work);
}

static int hold(struct dma_chan *chan)
{
	struct channel *channel = of_chan(chan);

	guard(spinlock_irq)(&channel->lock);
	/* Not ENODEV: dmaengine would take the device off its list twice. */
	if (channel->gone)
		return -EBUSY;
	channel->held = true;
	channel->failed = 0;
	chan->cookie = DMA_MIN_COOKIE;
	chan->completed_cookie = DMA_MIN_COOKIE;
	return 0;
}

static void let_go(struct dma_chan *chan)
{
	struct channel *channel = of_chan(chan);

	terminate(chan);
	synchronize(chan);
	scoped_guard(spinlock_irq, &channel->lock)
		channel->held = false;
	wake_up(&channel->let_go);
}

/* dev has a driver. Returns the channel, or an error pointer. */
void *HELPER(channel_add)(struct device *dev, void *engine, copy_fn copy)
{
	struct channel *channel = kzalloc(sizeof(*channel), GFP_KERNEL);
	struct dma_device *device;
	int ret = -ENOMEM;

	if (!channel)
		return ERR_PTR(-ENOMEM);
	channel->queue = alloc_ordered_workqueue("%s", 0, dev_name(dev));
	if (!channel->queue)
		goto err_free;
	INIT_WORK(&channel->work, work);
	channel->engine = engine;
	channel->copy = copy;
	spin_lock_init(&channel->lock);
	INIT_LIST_HEAD(&channel->prepared);
	INIT_LIST_HEAD(&channel->submitted);
	INIT_LIST_HEAD(&channel->issued);
	init_waitqueue_head(&channel->let_go);

	device = &channel->device;
	device->dev = dev;
	dma_cap_set(DMA_MEMCPY, device->cap_mask);
	/* Nobody gets it who did not ask for it. */
	dma_cap_set(DMA_PRIVATE, device->cap_mask);
	device->directions = BIT(DMA_MEM_TO_MEM);
	device->residue_granularity = DMA_RESIDUE_GRANULARITY_DESCRIPTOR;
	device->device_alloc_chan_resources = hold;
	device->device_free_chan_resources = let_go;
	device->device_prep_dma_memcpy = prepare;
	device->device_issue_pending = issue;
	device->device_tx_status = status;
	device->device_terminate_all = terminate;
	device->device_synchronize = synchronize;
	INIT_LIST_HEAD(&device->channels);
	channel->chan.device = device;
	list_add_tail(&channel->chan.device_node, &device->channels);
	ret = dma_async_device_register(device);
	if (!ret)
		return channel;

	destroy_workqueue(channel->queue);
err_free:
	kfree(channel);
	return ERR_PTR(ret);
}

/*
 * Waits for the client, as dmaengine does not keep what a client uses of a
 * device that is unregistered. Returns the engine.
 */
void *HELPER(channel_remove)(void *data)
{
	struct channel *channel = data;
	void *engine = channel->engine;

	scoped_guard(spinlock_irq, &channel->lock)
		channel->gone = true;
	wait_event_idle(channel->let_go, !READ_ONCE(channel->held));
	dma_async_device_unregister(&channel->device);
	destroy_workqueue(channel->queue);
	kfree(channel);
	return engine;
}

static struct page *page_at(u64 phys)
{
	unsigned long pfn = PHYS_PFN(phys);

	return pfn_valid(pfn) && !PageReserved(pfn_to_page(pfn)) ?
		       pfn_to_page(pfn) : NULL;
}

/* Copies what does not cross a page. Reaches RAM alone; says which side is none. */
int HELPER(channel_move)(u64 to, u64 from, size_t len)
{
	struct page *source = page_at(from), *target = page_at(to);

	if (!source)
		return DMA_TRANS_READ_FAILED;
	if (!target)
		return DMA_TRANS_WRITE_FAILED;
	memcpy_page(target, offset_in_page(to), source, offset_in_page(from),
		    len);
	return DMA_TRANS_NOERROR;
}
#else
void *HELPER(channel_add)(struct device *dev, void *engine, copy_fn copy)
{
	return ERR_PTR(-ENODEV);
}

void *HELPER(channel_remove)(void *channel)
{
	return NULL;
}

int HELPER(channel_move)(u64 to, u64 from, size_t len)
{
	return DMA_TRANS_READ_FAILED;
}
#endif

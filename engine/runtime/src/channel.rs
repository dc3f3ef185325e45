//! One sending subtask to one receiving subtask: a queue bounded by bytes.
//!
//! Two bounds. A task takes no new input while a channel it sends on holds its *limit*
//! ([`Sender::has_room`]): so it never stops in the middle of its work, and can always
//! let a barrier pass. What the work under way still emits may go beyond the limit, up
//! to [`OVERDRAFT`] (Flink: overdraft buffers); there alone a send waits. Watermarks,
//! barriers and ends always find room.
//!
//! A barrier is put at the queue's end. The receiver may take it out of the middle
//! before what was queued earlier ([`Receiver::overtake`]): then it gets a copy of
//! those messages, which are its part of the checkpoint (Flink: FLIP-76).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use millrace_dataflow::{Barrier, Batch, CheckpointId, Message};
use parking_lot::Mutex;

use crate::size::message_bytes;
use crate::wake::Wake;

/// The limit of a channel that nobody has set, in bytes.
pub const LIMIT: usize = 512 * 1024;
/// How far beyond its limit a channel may go for work under way, in bytes.
const OVERDRAFT: usize = 4 * 1024 * 1024;
/// A receiver is woken at once when this part of the limit is queued.
const WORTH_A_WAKE: usize = 4;

/// What the receiving task is told by all its channels together.
#[derive(Debug, Default)]
pub struct Inbox {
    pub wake: Arc<Wake>,
    /// Barriers in the queues that may overtake, now or later.
    overtaking: AtomicUsize,
}

impl Inbox {
    pub fn new(wake: Arc<Wake>) -> Arc<Inbox> {
        Arc::new(Inbox { wake, overtaking: AtomicUsize::new(0) })
    }

    pub fn has_overtaking(&self) -> bool {
        self.overtaking.load(Ordering::SeqCst) > 0
    }
}

struct Shared {
    queue: Mutex<VecDeque<(Message, usize)>>,
    /// Both as the queue has them, to be read without its lock.
    length: AtomicUsize,
    used: AtomicUsize,
    limit: AtomicUsize,
    sender_gone: AtomicBool,
    receiver_gone: AtomicBool,
    sender: Arc<Wake>,
    inbox: Arc<Inbox>,
}

pub struct Sender(Arc<Shared>);

pub struct Receiver(Arc<Shared>);

/// The other end is gone.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone;

/// A channel to the task of `inbox` from the task that sleeps on `sender`.
pub fn channel(sender: Arc<Wake>, inbox: Arc<Inbox>, limit: usize) -> (Sender, Receiver) {
    let shared = Arc::new(Shared {
        queue: Mutex::default(),
        length: AtomicUsize::new(0),
        used: AtomicUsize::new(0),
        limit: AtomicUsize::new(limit),
        sender_gone: AtomicBool::new(false),
        receiver_gone: AtomicBool::new(false),
        sender,
        inbox,
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

fn may_overtake(message: &Message) -> bool {
    matches!(message, Message::Barrier(barrier) if barrier.overtakes_at_ns.is_some())
}

impl Sender {
    /// Whether work that sends here may begin.
    pub fn has_room(&self) -> bool {
        self.0.used.load(Ordering::SeqCst) < self.0.limit.load(Ordering::SeqCst)
    }

    /// Bytes that are queued, and that may be.
    pub fn usage(&self) -> (usize, usize) {
        (self.0.used.load(Ordering::SeqCst), self.0.limit.load(Ordering::SeqCst))
    }

    /// Whether work under way may send here.
    pub fn has_overdraft(&self) -> bool {
        let limit = self.0.limit.load(Ordering::SeqCst);
        self.0.used.load(Ordering::SeqCst) < limit.saturating_add(OVERDRAFT)
    }

    /// Puts the message at the end, however full the channel is, and wakes the receiver.
    ///
    /// # Errors
    /// [`Gone`]: nobody will receive it.
    pub fn push(&self, message: Message) -> Result<(), Gone> {
        self.put(message)?;
        self.0.inbox.wake.wake();
        Ok(())
    }

    /// As [`Sender::push`], with more to come: while little is queued the sending task
    /// owes the wake.
    ///
    /// # Errors
    /// [`Gone`]: nobody will receive it.
    pub fn push_with_more(&self, message: Message, now_ns: u64) -> Result<(), Gone> {
        self.put(message)?;
        let (used, limit) = self.usage();
        if used >= limit / WORTH_A_WAKE {
            self.0.inbox.wake.wake();
        } else {
            self.0.sender.owe(&self.0.inbox.wake, now_ns);
        }
        Ok(())
    }

    fn put(&self, message: Message) -> Result<(), Gone> {
        let shared = &self.0;
        if shared.receiver_gone.load(Ordering::SeqCst) {
            return Err(Gone);
        }
        let bytes = message_bytes(&message);
        let mut queue = shared.queue.lock();
        if may_overtake(&message) {
            shared.inbox.overtaking.fetch_add(1, Ordering::SeqCst);
        }
        queue.push_back((message, bytes));
        shared.used.fetch_add(bytes, Ordering::SeqCst);
        shared.length.store(queue.len(), Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.sender_gone.store(true, Ordering::SeqCst);
        self.0.inbox.wake.wake();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.receiver_gone.store(true, Ordering::SeqCst);
        self.0.queue.lock().clear();
        self.0.used.store(0, Ordering::SeqCst);
        self.0.sender.wake();
    }
}

impl Receiver {
    /// The next message; not when it is a barrier and `hold_barriers`.
    ///
    /// # Errors
    /// [`Gone`]: the queue is empty and will stay so.
    pub fn pop(&self, hold_barriers: bool) -> Result<Option<Message>, Gone> {
        self.pop_if(|message| !(hold_barriers && matches!(message, Message::Barrier(_))))
    }

    /// The next message when it is a batch of `rows` at most.
    pub fn pop_batch(&self, rows: usize) -> Option<Batch> {
        let small = |message: &Message| matches!(message, Message::Batch(batch) if batch.num_rows() <= rows);
        match self.pop_if(small) {
            Ok(Some(Message::Batch(batch))) => Some(batch),
            _ => None,
        }
    }

    fn pop_if(&self, wanted: impl Fn(&Message) -> bool) -> Result<Option<Message>, Gone> {
        let shared = &self.0;
        if shared.length.load(Ordering::SeqCst) == 0 {
            // The sender's last message is there before it is gone.
            let gone = shared.sender_gone.load(Ordering::SeqCst);
            let empty = shared.length.load(Ordering::SeqCst) == 0;
            return if gone && empty { Err(Gone) } else { Ok(None) };
        }
        let mut queue = shared.queue.lock();
        if !queue.front().is_some_and(|(message, _)| wanted(message)) {
            return Ok(None);
        }
        let Some((message, bytes)) = queue.pop_front() else { return Ok(None) };
        shared.length.store(queue.len(), Ordering::SeqCst);
        drop(queue);
        if may_overtake(&message) {
            shared.inbox.overtaking.fetch_sub(1, Ordering::SeqCst);
        }
        self.release(bytes);
        Ok(Some(message))
    }

    /// A sender that waits is woken when half of the limit is free again: not for
    /// every message.
    fn release(&self, bytes: usize) {
        let before = self.0.used.fetch_sub(bytes, Ordering::SeqCst);
        let low = self.0.limit.load(Ordering::SeqCst).div_ceil(2);
        if before >= low && before - bytes < low {
            self.0.sender.wake();
        }
    }

    /// The first barrier in the queue.
    pub fn first_barrier(&self) -> Option<Barrier> {
        self.0.queue.lock().iter().find_map(|(message, _)| match message {
            Message::Barrier(barrier) => Some(*barrier),
            _ => None,
        })
    }

    /// Takes the checkpoint's barrier out when it is there, and gives a copy of what was
    /// queued before it and stays.
    pub fn overtake(&self, checkpoint: CheckpointId) -> Option<Vec<Message>> {
        let shared = &self.0;
        let mut queue = shared.queue.lock();
        let at = queue.iter().position(|(message, _)| {
            matches!(message, Message::Barrier(barrier) if barrier.checkpoint == checkpoint)
        })?;
        let (barrier, bytes) = queue.remove(at)?;
        let before = queue.iter().take(at).map(|(message, _)| message.clone()).collect();
        shared.length.store(queue.len(), Ordering::SeqCst);
        drop(queue);
        if may_overtake(&barrier) {
            shared.inbox.overtaking.fetch_sub(1, Ordering::SeqCst);
        }
        self.release(bytes);
        Some(before)
    }

    /// Bytes that are queued.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::SeqCst)
    }

    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::SeqCst)
    }

    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit.max(1), Ordering::SeqCst);
        self.0.sender.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millrace_dataflow::{BarrierKind, Watermark};

    use super::*;

    fn pair(limit: usize) -> (Sender, Receiver, Arc<Wake>) {
        let sender = Wake::shared();
        let (one, other) = channel(Arc::clone(&sender), Inbox::new(Wake::shared()), limit);
        (one, other, sender)
    }

    fn mark(at: i64) -> Message {
        Message::Watermark(Watermark(at))
    }

    fn barrier(id: u64) -> Message {
        Message::Barrier(Barrier {
            checkpoint: CheckpointId(id),
            kind: BarrierKind::Checkpoint,
            overtakes_at_ns: Some(0),
        })
    }

    fn texts(messages: &[Message]) -> Vec<i64> {
        let text = |message: &Message| match message {
            Message::Watermark(at) => at.0,
            Message::Barrier(barrier) => -(barrier.checkpoint.0 as i64),
            other => panic!("{other:?}"),
        };
        messages.iter().map(text).collect()
    }

    #[test]
    fn an_overtaking_barrier_leaves_what_was_before_it_and_gives_a_copy() {
        let (sender, receiver, _) = pair(LIMIT);
        for message in [mark(1), barrier(1), mark(2), barrier(2), mark(3)] {
            sender.push(message).unwrap();
        }
        assert_eq!(texts(&receiver.overtake(CheckpointId(1)).unwrap()), [1]);
        assert!(receiver.overtake(CheckpointId(1)).is_none());
        assert_eq!(receiver.first_barrier().unwrap().checkpoint, CheckpointId(2));
        let mut left = vec![];
        while let Some(message) = receiver.pop(false).unwrap() {
            left.push(message);
        }
        assert_eq!(texts(&left), [1, 2, -2, 3]);
        assert_eq!(receiver.used(), 0);
    }

    #[test]
    fn the_limit_stops_new_work_and_a_drained_half_wakes_the_sender() {
        let (sender, receiver, wake) = pair(2 * message_bytes(&mark(0)));
        assert!(sender.has_room());
        sender.push(mark(1)).unwrap();
        sender.push(mark(2)).unwrap();
        assert!(!sender.has_room() && sender.has_overdraft());
        let waiting = std::thread::spawn(move || wake.wait(Duration::from_secs(60)));
        receiver.pop(false).unwrap();
        receiver.pop(false).unwrap();
        waiting.join().unwrap();
        assert!(sender.has_room());
    }

    #[test]
    fn f3_25_a_receiver_sleeps_until_there_is_enough_or_the_sender_settles() {
        let own = Wake::shared();
        let inbox = Inbox::new(Wake::shared());
        let limit = 40 * message_bytes(&mark(0));
        let (sender, receiver) = channel(Arc::clone(&own), Arc::clone(&inbox), limit);
        let woken = || {
            let woken = inbox.wake.is_pending();
            inbox.wake.wait(Duration::ZERO);
            woken
        };
        sender.push_with_more(mark(1), 100).unwrap();
        assert!(!woken(), "the wake is owed");
        assert!(receiver.pop(false).unwrap().is_some(), "who looks finds it");
        own.settle_when_due(149, 50);
        assert!(!woken());
        own.settle_when_due(150, 50);
        assert!(woken());
        own.settle();
        assert!(!woken(), "one wake is owed once");
        sender.push_with_more(mark(2), 200).unwrap();
        own.wait(Duration::ZERO);
        assert!(woken(), "a sender that sleeps settles before");
        (0..9).for_each(|at| sender.push_with_more(mark(at), 300).unwrap());
        assert!(woken(), "a quarter of the limit is worth a wake");
        sender.push(mark(1)).unwrap();
        assert!(woken(), "barriers and watermarks wake at once");
    }

    #[test]
    fn an_end_that_is_gone_is_told_after_its_last_message() {
        let (sender, receiver, _) = pair(LIMIT);
        sender.push(mark(1)).unwrap();
        drop(sender);
        assert!(receiver.pop(false).unwrap().is_some());
        assert_eq!(receiver.pop(false).unwrap_err(), Gone);
        let (sender, receiver, _) = pair(LIMIT);
        drop(receiver);
        assert_eq!(sender.push(mark(1)), Err(Gone));
    }
}

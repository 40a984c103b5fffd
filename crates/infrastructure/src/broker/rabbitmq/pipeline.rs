use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use activelog_application::ports::{PublishError, PublishErrorKind};
use activelog_domain::event::EventEnvelope;
use futures::{FutureExt, future::BoxFuture};
use lapin::Channel;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::{
    answers::{Answer, Answers},
    sending::Sending,
};
use crate::broker::waves::{Outcome, unanswered};

/// The most events under way on the channel.
const MOST: usize = 512;

/// A channel on which events that are published one by one go side by side, whoever publishes them.
///
/// What comes of each is only known once the answers to all are looked at, see [`Answers`]: one task sends everything and has every answer. It goes on when one who waits
/// does not, and ends, and closes the channel, with the last pipeline: nobody waits for anything then.
#[derive(Clone)]
pub(super) struct Pipeline {
    requests: mpsc::Sender<Request>,
    channel: Channel,
    given_up: Arc<AtomicBool>,
    _wanted: Arc<DropGuard>,
}

struct Request {
    event: EventEnvelope,
    tell: oneshot::Sender<Outcome>,
}

impl Pipeline {
    /// On a channel with confirms that nobody else has.
    pub(super) fn on(channel: Channel, sending: Sending) -> Self {
        let (requests, asked) = mpsc::channel(MOST);
        let (task, unwanted) = (Task::on(channel.clone(), sending), CancellationToken::new());
        let wanted = Arc::new(unwanted.clone().drop_guard());
        tokio::spawn(async move { unwanted.run_until_cancelled(task.run(asked)).await });
        Self { requests, channel, given_up: Arc::default(), _wanted: wanted }
    }

    /// Whether an event may be published on it.
    pub(super) fn is_usable(&self) -> bool {
        let goes_on = self.channel.status().connected() && !self.requests.is_closed();
        goes_on && !self.given_up.load(Ordering::Acquire)
    }

    /// It is not answered: others are to be published elsewhere. What is under way is seen to its end.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    /// Publishes an event. What nobody waits for any more is not sent, if it was not taken yet.
    pub(super) async fn publish(&self, event: &EventEnvelope) -> Outcome {
        let (tell, told) = oneshot::channel();
        let request = Request { event: event.clone(), tell };
        if self.requests.send(request).await.is_err() {
            return Err(PublishError::new(PublishErrorKind::Unavailable, "its channel has ended"));
        }
        told.await.unwrap_or_else(|_| Err(unanswered()))
    }
}

/// An event under way.
struct Sent {
    id: Uuid,
    answer: BoxFuture<'static, Answer>,
    tell: oneshot::Sender<Outcome>,
}

struct Task {
    channel: Channel,
    sending: Sending,
    open: Vec<Sent>,
    answers: Answers<oneshot::Sender<Outcome>>,
}

impl Task {
    fn on(channel: Channel, sending: Sending) -> Self {
        Self { channel, sending, open: Vec::new(), answers: Answers::default() }
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut next = Vec::new();
        loop {
            let room = MOST - self.open.len();
            tokio::select! {
                biased;
                () = poll_fn(|context| self.settle(context)) => {}
                count = requests.recv_many(&mut next, room), if room > 0 => {
                    if count == 0 {
                        return;
                    }
                    next.drain(..).for_each(|request| self.send(request));
                }
            }
        }
    }

    /// Makes an event one of those that are under way. It goes to the driver with the next look, and nobody waits until it is written: answers that come meanwhile are told at once.
    fn send(&mut self, Request { event, tell }: Request) {
        if tell.is_closed() {
            return;
        }
        let (id, channel, sending) = (event.id, self.channel.clone(), self.sending.clone());
        let answer = async move { sending.publish(&channel, &event).await }.boxed();
        self.open.push(Sent { id, answer, tell });
    }

    /// Tells those whose events are answered.
    fn settle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut answers = Vec::new();
        // Again until a look finds nothing: an answer that came during a look, and was missed by it, may hold what another tells of that was found.
        while self.look(context, &mut answers) {}
        if answers.is_empty() {
            return Poll::Pending;
        }
        for (tell, outcome) in self.answers.judge(answers, |id| self.open.iter().any(|sent| sent.id == id)) {
            drop(tell.send(outcome));
        }
        Poll::Ready(())
    }

    /// Takes out what is answered; whether there was any.
    fn look(&mut self, context: &mut Context<'_>, answers: &mut Vec<(Uuid, oneshot::Sender<Outcome>, Answer)>) -> bool {
        let (before, mut index) = (answers.len(), 0);
        while index < self.open.len() {
            match self.open[index].answer.as_mut().poll(context) {
                Poll::Ready(answer) => {
                    let sent = self.open.swap_remove(index);
                    answers.push((sent.id, sent.tell, answer));
                }
                Poll::Pending => index += 1,
            }
        }
        answers.len() > before
    }
}

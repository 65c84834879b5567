//! One exchange by `POST /sync`: a connection's frames in one request and one answer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use protocol::Refusal;
use protocol::frame::{self, ClientFrame};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::connection::{Server, look_up, take};
use crate::core::exchange::{Answering, ExchangeSecret};
use crate::core::inbox::Inbox;
use crate::core::receiver::Receiver;
use crate::core::sender::{Next, Sender};
use crate::settings::Limits;

/// What all exchanges share.
pub(crate) struct Exchanges {
    secret: ExchangeSecret,
    turns: Semaphore,
    /// How long one waits for its turn.
    patience: Duration,
}

impl Exchanges {
    pub(crate) fn new(secret: ExchangeSecret, limits: &Limits) -> Self {
        Self {
            secret,
            turns: Semaphore::new(limits.exchanges.min(Semaphore::MAX_PERMITS)),
            patience: limits.exchange_turn,
        }
    }

    /// Answers a request. `origins` are those an answer to the challenge may be for.
    pub(crate) async fn answer(&self, request: &[u8], origins: Vec<String>, server: &Server) -> Vec<u8> {
        let turn = timeout(self.patience, self.turns.acquire()).await;
        let now = server.clock.now();
        let [challenge, earlier] = self.secret.challenges(now.clock);
        let inbox = Arc::new(Inbox::default());
        let shared = &server.shared;
        let mut sender = Sender::new(Arc::clone(&inbox), Arc::clone(shared), challenge, now).for_exchange();
        let mut receiver = Receiver::new(Arc::clone(&inbox), Arc::clone(shared), challenge, origins, now)
            .for_exchange(earlier);
        let mut answering = Answering::default();
        // The challenge, which is all that is told to whoever did not answer the one before.
        tell(&mut sender, &mut answering, server).await;
        // No turn came in time. (That there are none any more would be an error as well; it does not happen.)
        let Ok(Ok(_turn)) = turn else {
            inbox.end(Refusal::Busy);
            tell(&mut sender, &mut answering, server).await;
            return answering.into_bytes();
        };
        let mut frames = frame::decode::<ClientFrame>(request);
        let Some(Ok(answer)) = frames.next() else {
            return answering.into_bytes();
        };
        match receiver.take(answer, now) {
            Ok(_) => {}
            // With the challenge that was given they begin anew.
            Err(Refusal::NotAuthenticated) => return answering.into_bytes(),
            Err(reason) => {
                inbox.end(reason);
                tell(&mut sender, &mut answering, server).await;
                return answering.into_bytes();
            }
        }
        let mut taking = Box::pin(take(&mut receiver, frames.rest(), &inbox, server));
        let mut is_taken = false;
        while !tell(&mut sender, &mut answering, server).await {
            if is_taken && inbox.is_settled() {
                break;
            }
            tokio::select! {
                biased;
                taken = &mut taking, if !is_taken => {
                    is_taken = true;
                    if let Err(reason) = taken {
                        inbox.end(reason);
                    }
                }
                () = poll_fn(|context| inbox.poll_news(context)) => {}
            }
        }
        if !is_taken {
            // What there is room for is taken all the same, so that a long answer does not keep the client's work out.
            let limit = server.shared.limits.unanswered;
            poll_fn(|context| match Pin::new(&mut taking).poll(context) {
                Poll::Pending if inbox.has_room(limit) => Poll::Pending,
                Poll::Pending | Poll::Ready(_) => Poll::Ready(()),
            })
            .await;
        }
        answering.into_bytes()
    }
}

/// Collects what there is to say by now. Tells whether nothing more is wanted, or comes.
async fn tell(sender: &mut Sender, answering: &mut Answering, server: &Server) -> bool {
    while !answering.is_full() {
        let is_listing = sender.is_listing();
        match sender.next() {
            Next::Message(message) => answering.add(&message, is_listing),
            Next::Read(wanted) => sender.give(look_up(wanted, server).await),
            Next::Nothing => return false,
            Next::Ended => return true,
        }
    }
    true
}

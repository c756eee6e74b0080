//! Answers about tokens, remembered for a while; at most one question about each token is under way.

use std::convert::Infallible;
use std::future::Future;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use crate::refusal::Refusal;
use crate::token::TokenDigest;

/// How many answers of each kind are remembered.
const MOST: usize = 10_000;

/// What was answered, and for how long that is believed.
pub(super) struct Told<T> {
    pub(super) answer: Result<T, Refusal>,
    pub(super) life: Duration,
}

#[derive(Clone)]
struct Kept<T> {
    answer: T,
    until: Instant,
}

/// Answers by the digest of the token they are about.
pub(super) struct Memory<T: Clone> {
    /// Kept apart, so that a flood of forged tokens displaces no good one.
    good: Cache<TokenDigest, Kept<T>>,
    /// The latest answers of either kind, and what is being asked now.
    latest: Cache<TokenDigest, Kept<Result<T, Refusal>>>,
}

impl<T: Clone> Memory<T> {
    pub(super) fn new() -> Self {
        Self { good: Cache::new(MOST), latest: Cache::new(MOST) }
    }

    /// The answer that is remembered, or else that of `ask`. Who comes while it is asked waits for the same answer.
    pub(super) async fn recall(
        &self,
        token: TokenDigest,
        ask: impl Future<Output = Told<T>>,
    ) -> Result<T, Refusal> {
        if let Some(kept) = self.good.get(&token) {
            if Instant::now() < kept.until {
                return Ok(kept.answer);
            }
            self.good.remove_if(&token, |kept| kept.until <= Instant::now());
        }
        self.latest.remove_if(&token, |kept| kept.until <= Instant::now());
        let asked = async {
            let Told { answer, life } = ask.await;
            let now = Instant::now();
            let until = now.checked_add(life).unwrap_or(now);
            if let Ok(answer) = &answer
                && !life.is_zero()
            {
                self.good.insert(token, Kept { answer: answer.clone(), until });
            }
            Ok::<_, Infallible>(Kept { answer, until })
        };
        // Where the one who asks leaves, the next of those who wait asks.
        match self.latest.get_or_insert_async(&token, asked).await {
            Ok(kept) => kept.answer,
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn digest(number: u32) -> TokenDigest {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        TokenDigest(bytes)
    }

    /// Recalls `token`; where it is asked, the answer is this.
    async fn recall(
        memory: &Memory<u32>,
        token: u32,
        answer: Result<u32, Refusal>,
        life: u64,
    ) -> Result<u32, Refusal> {
        memory.recall(digest(token), async move { Told { answer, life: Duration::from_secs(life) } }).await
    }

    #[tokio::test]
    async fn answers_are_remembered_by_token_for_their_life() {
        let memory = Memory::new();
        assert_eq!(recall(&memory, 1, Ok(1), 60).await, Ok(1));
        assert_eq!(recall(&memory, 1, Ok(2), 60).await, Ok(1));
        assert_eq!(recall(&memory, 2, Err(Refusal::TokenInactive), 60).await, Err(Refusal::TokenInactive));
        assert_eq!(recall(&memory, 2, Ok(3), 60).await, Err(Refusal::TokenInactive));
        assert_eq!(recall(&memory, 3, Ok(4), 0).await, Ok(4));
        assert_eq!(recall(&memory, 3, Err(Refusal::TokenInactive), 0).await, Err(Refusal::TokenInactive));
    }

    #[tokio::test]
    async fn a_flood_of_bad_tokens_displaces_no_good_one() {
        let memory = Memory::new();
        for token in 0..100 {
            recall(&memory, token, Ok(token), 60).await.unwrap();
        }
        for token in 1000..40_000 {
            recall(&memory, token, Err(Refusal::TokenInactive), 60).await.unwrap_err();
        }
        for token in 0..100 {
            assert_eq!(recall(&memory, token, Err(Refusal::TokenInactive), 60).await, Ok(token));
        }
        assert!(memory.latest.len() <= MOST);
    }

    #[tokio::test]
    async fn who_comes_meanwhile_gets_the_same_answer() {
        let (memory, asked) = (Arc::new(Memory::new()), Arc::new(AtomicU32::new(0)));
        let (open, gate) = tokio::sync::watch::channel(false);
        let ask = |_| {
            let (memory, asked, mut gate) = (Arc::clone(&memory), Arc::clone(&asked), gate.clone());
            tokio::spawn(async move {
                let told = async {
                    asked.fetch_add(1, Ordering::SeqCst);
                    gate.wait_for(|open| *open).await.unwrap();
                    Told { answer: Err(Refusal::VerificationUnavailable), life: Duration::ZERO }
                };
                memory.recall(digest(7), told).await
            })
        };
        let first = ask(0);
        let others: Vec<_> = (0..100).map(ask).collect();
        tokio::task::yield_now().await;
        // The one who asks leaves: another takes over.
        first.abort();
        tokio::task::yield_now().await;
        open.send(true).unwrap();
        for other in others {
            assert_eq!(other.await.unwrap(), Err::<u32, _>(Refusal::VerificationUnavailable));
        }
        assert!(asked.load(Ordering::SeqCst) <= 2);
    }
}

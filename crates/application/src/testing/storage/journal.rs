use std::collections::BTreeSet;

use activelog_domain::event::EventEnvelope;
use uuid::Uuid;

use super::{
    Storage,
    case::Checked,
    fixture::advance,
    samples::{event, hard_events, history, key_in},
};
use crate::ports::{JOURNAL_PAGE_MAX, JournalCursor, PARTITIONS, Partition, partition_of};

cases!("journal":
    every_attribute_survives_an_append,
    a_partition_is_read_in_order,
    a_page_has_a_largest_size,
    appending_twice_has_the_effect_of_once,
    heads_are_the_last_positions,
    all_partitions_are_merged_by_publication_time,
    a_reader_sees_everything_once_while_others_write,
);

async fn every_attribute_survives_an_append(storage: Storage) -> Checked {
    let events = hard_events();
    storage.journal.append(&events).await?;
    for event in &events {
        let entries = storage.journal.read(partition_of(&event.partition_key), 0, 10).await?;
        ensure!(entries.iter().any(|entry| entry.event == *event), "{} changed in the journal", event.subject);
    }
    Ok(())
}

async fn a_partition_is_read_in_order(storage: Storage) -> Checked {
    let partition = Partition(9);
    let events = history(&key_in(partition, 0), 1..=10);
    storage.journal.append(&events[..4]).await?;
    storage.journal.append(&[event(&key_in(Partition(8), 0), 1)]).await?;
    storage.journal.append(&events[4..]).await?;
    for (after, limit, expected) in
        [(0, 100, 1..11), (0, 3, 1..4), (3, 4, 4..8), (9, 5, 10..11), (10, 5, 0..0), (1 << 40, 5, 0..0), (4, 0, 0..0)]
    {
        let entries = storage.journal.read(partition, after, limit).await?;
        let expected: Vec<u64> = expected.collect();
        let positions: Vec<u64> = entries.iter().map(|e| e.position).collect();
        ensure_eq!(positions, expected, "positions after {after}, at most {limit}");
        let sequences: Vec<u64> = entries.iter().map(|e| e.event.sequence).collect();
        ensure_eq!(sequences, expected, "events after {after}, at most {limit}");
        ensure!(entries.iter().all(|e| e.partition == partition), "entries of another partition");
    }
    Ok(())
}

async fn a_page_has_a_largest_size(storage: Storage) -> Checked {
    let partition = Partition(9);
    let most = u64::from(JOURNAL_PAGE_MAX);
    storage.journal.append(&history(&key_in(partition, 0), 1..=most + 5)).await?;
    ensure_eq!(storage.journal.read(partition, 0, u32::MAX).await?.len() as u64, most, "entries of one partition");
    ensure_eq!(
        storage.journal.read_all(&JournalCursor::default(), u32::MAX).await?.len() as u64,
        most,
        "entries of all"
    );
    ensure_eq!(storage.journal.read(partition, most, u32::MAX).await?.len(), 5, "entries of the next page");
    Ok(())
}

async fn appending_twice_has_the_effect_of_once(storage: Storage) -> Checked {
    let mut events = history("s", 1..=3);
    storage.journal.append(&events).await?;
    storage.journal.append(&events).await?;
    let new = event("s", 4);
    events.extend([new.clone(), new, event("s", 5)]);
    storage.journal.append(&events).await?;
    storage.journal.append(&[]).await?;
    let entries = storage.journal.read(partition_of("s"), 0, 100).await?;
    let found: Vec<(u64, u64)> = entries.iter().map(|e| (e.position, e.event.sequence)).collect();
    ensure_eq!(found, (1..=5).map(|n| (n, n)).collect::<Vec<_>>(), "positions and sequences, without gaps");
    Ok(())
}

async fn heads_are_the_last_positions(storage: Storage) -> Checked {
    ensure_eq!(storage.journal.heads().await?, JournalCursor::default(), "an empty journal");
    let mut expected = JournalCursor::default();
    for n in [0, 4, 15] {
        storage.journal.append(&history(&key_in(Partition(n), 0), 1..=u64::from(n) + 1)).await?;
        expected.0[usize::from(n)] = u64::from(n) + 1;
    }
    ensure_eq!(storage.journal.heads().await?, expected, "after appending to three partitions");
    Ok(())
}

async fn all_partitions_are_merged_by_publication_time(storage: Storage) -> Checked {
    let mut events: Vec<EventEnvelope> = Vec::new();
    for n in 1..=3 {
        let of_all = (0..PARTITIONS).map(|p| event(&key_in(Partition(p), 0), n));
        events.extend(of_all);
    }
    for chunk in events.chunks(5) {
        storage.journal.append(chunk).await?;
    }
    let whole = storage.journal.read_all(&JournalCursor::default(), 1_000).await?;
    ensure_eq!(whole.len(), events.len(), "entries");
    ensure!(whole.is_sorted_by_key(|e| (e.published_at, e.partition, e.position)), "not merged by publication time");
    for limit in [1, 7, 16] {
        let (mut cursor, mut found) = (JournalCursor::default(), Vec::new());
        loop {
            let page = storage.journal.read_all(&cursor, limit).await?;
            ensure!(page.len() <= limit as usize, "a page of {limit} holds {}", page.len());
            if page.is_empty() {
                break;
            }
            for entry in page {
                advance(&mut cursor, &entry)?;
                found.push(entry);
            }
        }
        ensure_eq!(found, whole, "pages of {limit}");
    }
    Ok(())
}

async fn a_reader_sees_everything_once_while_others_write(storage: Storage) -> Checked {
    const EVENTS: u64 = 60;
    let writers = (0..4).map(|writer| {
        let storage = storage.clone();
        tokio::spawn(async move {
            for n in 1..=EVENTS {
                storage
                    .journal
                    .append(&[event(&format!("subject-{writer}"), n), event(&format!("other-{writer}"), n)])
                    .await?;
            }
            Checked::Ok(())
        })
    });
    let writers: Vec<_> = writers.collect();
    let (mut cursor, mut seen) = (JournalCursor::default(), BTreeSet::<Uuid>::new());
    loop {
        let done = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let page = storage.journal.read_all(&cursor, 10).await?;
        if page.is_empty() && done {
            break;
        }
        for entry in page {
            advance(&mut cursor, &entry)?;
            ensure!(seen.insert(entry.event.id), "{} was read twice", entry.event.subject);
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await??;
    }
    ensure_eq!(seen.len() as u64, 8 * EVENTS, "events that were read");
    ensure_eq!(storage.journal.heads().await?, cursor, "where the reader stands");
    Ok(())
}

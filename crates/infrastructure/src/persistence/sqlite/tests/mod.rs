//! What is SQLite's own: group commit, recovery, several processes. The contract of the ports is checked by the suite that
//! every database passes.

mod files;
mod group_commit;
mod journal;
mod many_failures;
mod milestones;
mod several_processes;
mod support;

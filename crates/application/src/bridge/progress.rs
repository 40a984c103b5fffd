/// How far a bridge has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BridgeProgress {
    /// Events that the target has taken; those that were copied a second time count twice.
    pub copied: u64,
    /// Events that the target refuses, and that were kept elsewhere.
    pub refused: u64,
    /// What it waits for, if it does: the target or the source has trouble, and it tries again.
    pub waiting: Option<String>,
}

/// How a bridge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgeEnd {
    /// It was told to stop.
    Stopped,
    /// The source has nothing more for it.
    Drained,
}

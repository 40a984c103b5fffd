use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Page<T> {
    /// The items.
    pub(in crate::http) items: Vec<T>,
    /// Pass it as `cursor` for the next page; null when there is nothing more.
    #[schema(required = true, example = "AQAGTBn8ZQAAAZKdXgAAcACAAAAAAAAAAQ")]
    pub(in crate::http) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of rows that were read with a limit of one more than a page holds. `view` shows a row, `cursor` makes the
    /// cursor after it.
    pub(in crate::http) fn of<'a, R>(
        rows: &'a [R],
        read_limit: u32,
        view: impl Fn(&'a R) -> T,
        cursor: impl Fn(&'a R) -> String,
    ) -> Self {
        let limit = usize::try_from(read_limit.saturating_sub(1)).unwrap_or(usize::MAX);
        let shown = rows.get(..limit).filter(|shown| shown.len() < rows.len());
        let next_cursor = shown.and_then(|shown| shown.last()).map(cursor);
        Self { items: shown.unwrap_or(rows).iter().map(view).collect(), next_cursor }
    }
}

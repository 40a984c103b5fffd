//! The fields of an activity in request bodies.

use activelog_domain::{
    activity::{ActivityDate, ActivityType, Calories, Description, Distance, Duration, Notes, Tag, Tags, Title},
    user::UserId,
    validation::FieldError,
};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::{
    ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type},
    },
};

use crate::http::{extract::parse_uuid, json_object::Given, problem::ProblemField};

/// What a new activity may say.
pub(super) const NEW: &[&str] = &[
    "user_id",
    "type",
    "title",
    "duration_minutes",
    "activity_date",
    "description",
    "distance_km",
    "calories_burned",
    "notes",
    "tags",
];

/// What a change may say.
pub(super) const CHANGEABLE: &[&str] = &[
    "type",
    "title",
    "duration_minutes",
    "activity_date",
    "description",
    "distance_km",
    "calories_burned",
    "notes",
    "tags",
];

/// What the application decides.
pub(super) const DECIDED: &[&str] = &["id", "version", "created_at", "updated_at"];

/// What a change cannot say.
pub(super) const FIXED: &[&str] = &["id", "user_id", "version", "created_at", "updated_at"];

pub(super) fn user_id(given: Given<'_>) -> Result<UserId, ProblemField> {
    let text = given.string()?;
    let id = parse_uuid(&text).map(UserId);
    id.ok_or_else(|| given.refuse("must be a UUID (01929d5e-0000-7000-8000-000000000001)"))
}

pub(super) fn activity_type(given: Given<'_>) -> Result<ActivityType, ProblemField> {
    Ok(ActivityType::new(&given.string()?)?)
}

pub(super) fn title(given: Given<'_>) -> Result<Title, ProblemField> {
    Ok(Title::new(&given.string()?)?)
}

pub(super) fn description(given: Given<'_>) -> Result<Description, ProblemField> {
    Ok(Description::new(&given.string()?)?)
}

pub(super) fn notes(given: Given<'_>) -> Result<Notes, ProblemField> {
    Ok(Notes::new(&given.string()?)?)
}

pub(super) fn tags(given: Given<'_>) -> Result<Tags, ProblemField> {
    Ok(Tags::new(&given.strings()?)?)
}

pub(super) fn duration(given: Given<'_>) -> Result<Duration, ProblemField> {
    Duration::new(given.integer()?).map_err(|error| as_sent(given, error))
}

pub(super) fn distance(given: Given<'_>) -> Result<Distance, ProblemField> {
    Distance::from_km(given.number()?).map_err(|error| as_sent(given, error))
}

pub(super) fn calories(given: Given<'_>) -> Result<Calories, ProblemField> {
    Calories::new(given.integer()?).map_err(|error| as_sent(given, error))
}

pub(super) fn activity_date(given: Given<'_>, now: Timestamp) -> Result<ActivityDate, ProblemField> {
    Ok(ActivityDate::parse(&given.string()?, now)?)
}

/// The error with the number as it was sent, not as it was read.
fn as_sent(given: Given<'_>, error: FieldError) -> ProblemField {
    given.refuse(error.rule)
}

/// How tags are given: a derived schema cannot tell what each of them may be.
fn tags_schema() -> impl Into<RefOr<Schema>> {
    let label = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(Tag::MAX));
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .description(Some("Short labels, none twice, kept in this order. A change replaces them all; null is no tags."))
        .items(label.pattern(Some("^[^,]*$")))
        .max_items(Some(Tags::MAX))
        .unique_items(true)
}

/// A new activity. Fields not listed here are refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewActivity, example = json!({
    "user_id": "01929d5e-0000-7000-8000-000000000001", "type": "run", "title": "Morning run", "duration_minutes": 50,
    "activity_date": "2026-03-12T06:30:00Z", "distance_km": 10.5, "calories_burned": 640,
    "tags": ["race", "with friends"]
}))]
#[expect(dead_code, reason = "describes what is read field by field, so that every error can be told at once")]
pub(super) struct NewActivityBody {
    /// Whose it is. A user is known from the first use on.
    user_id: uuid::Uuid,
    /// What kind: a letter followed by letters, digits, spaces or hyphens.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 40)]
    kind: String,
    /// One line.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Whole minutes.
    #[schema(minimum = 1, maximum = 43200)]
    duration_minutes: u32,
    /// When it took place: an RFC 3339 instant, or a date, which means its midnight in UTC. From 1900 to a day from now.
    #[schema(example = "2026-03-12T06:30:00Z")]
    activity_date: String,
    /// May span lines.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Kilometres; kept to the metre.
    #[schema(minimum = 0, maximum = 100000)]
    distance_km: Option<f64>,
    /// Kilocalories.
    #[schema(minimum = 0, maximum = 100000)]
    calories_burned: Option<u32>,
    /// Private; may span lines.
    #[schema(max_length = 10000)]
    notes: Option<String>,
    #[schema(schema_with = tags_schema)]
    tags: Option<Vec<String>>,
}

/// A change of an activity, as a JSON merge patch (RFC 7396): what is left out stays, null removes an optional field. Fields not
/// listed here are refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ActivityPatch, example = json!({ "title": "Evening run", "notes": null }))]
#[expect(dead_code, reason = "describes what is read field by field, so that every error can be told at once")]
pub(super) struct ActivityPatchBody {
    /// What kind.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 40, nullable = false)]
    kind: Option<String>,
    /// One line.
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    title: Option<String>,
    /// Whole minutes.
    #[schema(minimum = 1, maximum = 43200, nullable = false)]
    duration_minutes: Option<u32>,
    /// When it took place.
    #[schema(nullable = false)]
    activity_date: Option<String>,
    /// May span lines.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Kilometres; kept to the metre.
    #[schema(minimum = 0, maximum = 100000)]
    distance_km: Option<f64>,
    /// Kilocalories.
    #[schema(minimum = 0, maximum = 100000)]
    calories_burned: Option<u32>,
    /// Private; may span lines.
    #[schema(max_length = 10000)]
    notes: Option<String>,
    #[schema(schema_with = tags_schema)]
    tags: Option<Vec<String>>,
}

//! What the handlers keep, as a function of activities.

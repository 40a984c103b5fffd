//! A chain that can never run is refused when it is built.

use std::sync::Arc;

use activelog_application::orchestrator::{Chain, ChainError, use_case_fn};

use crate::setting::{Invoice, Order, Receipt, Tx, WriteInvoice, WriteReceipt, orchestrator};

#[test]
fn an_empty_chain_is_refused() {
    assert_eq!(Chain::<Tx, Order>::new().build().err(), Some(ChainError::Empty));
}

#[test]
fn a_need_that_nothing_provides_is_refused_by_name() {
    let error = Chain::<Tx, Order>::new().then(WriteReceipt).build().err();
    let Some(ChainError::Unprovided { use_case, need }) = error else { panic!("{error:?}") };
    assert_eq!(use_case, "WriteReceipt");
    assert!(need.ends_with("Invoice"), "{need}");
}

#[test]
fn a_need_that_only_a_later_use_case_provides_is_refused() {
    let error = Chain::<Tx, Order>::new().then(WriteReceipt).then(WriteInvoice).build().err();
    assert!(matches!(error, Some(ChainError::Unprovided { use_case: "WriteReceipt", .. })), "{error:?}");
}

#[test]
fn a_need_of_another_input_is_refused() {
    let error = Chain::<Tx, Receipt>::new().then(WriteInvoice).build().err();
    assert!(matches!(error, Some(ChainError::Unprovided { use_case: "WriteInvoice", .. })), "{error:?}");
}

#[test]
fn two_provisions_of_one_type_are_refused_with_both_names() {
    let again = use_case_fn("Again", |_, ()| Box::pin(async { Ok((Invoice(1),)) }));
    let error = Chain::<Tx, Order>::new().then(WriteInvoice).then(again).build().err();
    let Some(ChainError::Ambiguous { first, second, provision }) = error else { panic!("{error:?}") };
    assert_eq!((first, second), ("WriteInvoice", "Again"));
    assert!(provision.ends_with("Invoice"), "{provision}");
}

#[test]
fn one_use_case_that_provides_a_type_twice_is_refused() {
    let twice = use_case_fn("Twice", |_, ()| Box::pin(async { Ok((Invoice(1), Invoice(2))) }));
    let error = Chain::<Tx, Order>::new().then(twice).build().err();
    assert!(matches!(error, Some(ChainError::Ambiguous { first: "Twice", second: "Twice", .. })), "{error:?}");
}

#[tokio::test]
async fn an_input_provided_anew_is_what_later_use_cases_and_the_caller_see() {
    let discount =
        use_case_fn("Discount", |_, (order,): (Arc<Order>,)| Box::pin(async move { Ok((Order(order.0 - 1),)) }));
    let chain = Chain::<Tx, Order>::new().then(discount).then(WriteInvoice).build().expect("a chain that can run");
    let outputs = orchestrator(&activelog_application::testing::FakeStorage::new())
        .run(&chain, Order(10))
        .await
        .expect("nothing fails");
    assert_eq!(outputs.get::<Invoice>().as_deref(), Some(&Invoice(9)));
    assert_eq!(outputs.get::<Order>().as_deref(), Some(&Order(9)));
}

#[test]
fn a_checked_chain_shows_its_use_cases_in_order() {
    assert_eq!(format!("{:?}", crate::setting::chain()), r#"["WriteInvoice", "WriteReceipt"]"#);
}

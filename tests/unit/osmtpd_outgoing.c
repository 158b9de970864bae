/* SPDX-License-Identifier: ISC
 * How TLS went with a mail host, read off the reports of real releases. */
#include "outgoing.h"

#include "tools.h"

#define SESSION "98da13b9c4f1545d"
#define MOST 16

struct seen {
  size_t count;
  struct {
    char domain[64], address[64], source[64], helo[64], reason[64];
    bool has_domain;
    enum mts_err err;
  } at[MOST];
};

static void keep(char *to, const char *text) { memccpy(to, text, 0, 63); }

static void done(void *arg, const struct outgoing_outcome *outcome) {
  struct seen *seen = arg;
  assert_true(seen->count < MOST);
  seen->at[seen->count].has_domain = outcome->domain != NULL;
  if (outcome->domain) keep(seen->at[seen->count].domain, outcome->domain);
  keep(seen->at[seen->count].address, outcome->address);
  keep(seen->at[seen->count].source, outcome->source);
  keep(seen->at[seen->count].helo, outcome->helo);
  keep(seen->at[seen->count].reason, outcome->reason);
  seen->at[seen->count++].err = outcome->err;
}

static void report(struct outgoing *outgoing, const char *session, const char *event, const char *fields) {
  char text[1024];
  struct filter_line line;
  snprintf(text, sizeof text, "report|0.7|1795502638.263995|smtp-out|%s|%s%s%s", event, session, fields ? "|" : "",
           fields ? fields : "");
  assert_true(filter_line_parse(mts_span_of(text), &line));
  outgoing_report(outgoing, &line);
}

/* "EVENT FIELDS" each, NULL at the end; one session from beginning to end. */
static struct seen play(const char *const *events) {
  struct seen seen = {0};
  struct outgoing *outgoing = NULL;
  assert_int_equal(outgoing_new(done, &seen, &outgoing), MTS_OK);
  assert_int_equal(outgoing_set_reporters(outgoing, " reports@client.test,, second@client.test"), MTS_OK);
  report(outgoing, SESSION, "link-connect", "198.51.100.12|pass|[2001:db8::9]:58648|198.51.100.12:25");
  for (; *events; events++) {
    char event[64];
    const char *blank = strchr(*events, ' ');
    size_t n = blank ? (size_t)(blank - *events) : strlen(*events);
    memcpy(event, *events, n);
    event[n] = 0;
    report(outgoing, SESSION, event, blank ? blank + 1 : NULL);
  }
  report(outgoing, SESSION, "link-disconnect", NULL);
  outgoing_free(&outgoing);
  return seen;
}

#define GREETING "protocol-server 220 mx.a.test ESMTP", "link-greeting mx.a.test"
#define OFFER "protocol-server 250-mx.a.test", "protocol-server 250-STARTTLS", "protocol-server 250 HELP"
#define NO_OFFER "protocol-server 250-mx.a.test", "protocol-server 250-X-STARTTLS", "protocol-server 250 HELP"
#define GO "protocol-server 220 2.0.0 go"
#define TLS "link-tls TLSv1.3:TLS_AES_256_GCM_SHA384:256"
#define FINE "protocol-server 250 2.0.0 fine"
#define MAIL "tx-begin 2fcfc225", "tx-mail 2fcfc225|ok|from@client.test"
#define RCPT "tx-rcpt 2fcfc225|ok|joe@a.test"

static void one(const struct seen *seen, const char *domain, enum mts_err err) {
  assert_int_equal(seen->count, 1);
  assert_int_equal(seen->at[0].err, err);
  assert_int_equal(seen->at[0].has_domain, domain != NULL);
  assert_string_equal(seen->at[0].domain, domain ? domain : "");
}

static void mail_over_tls_is_a_success_of_its_domain(void **s) {
  (void)s;
  const char *const events[] = {
      GREETING, OFFER, GO, TLS, FINE, FINE, MAIL, FINE, RCPT, "tx-data 2fcfc225|ok", "tx-commit 2fcfc225|279", NULL};
  struct seen seen = play(events);
  one(&seen, "a.test", MTS_OK);
  assert_string_equal(seen.at[0].address, "198.51.100.12");
  assert_string_equal(seen.at[0].source, "2001:db8::9");
  assert_string_equal(seen.at[0].helo, "mx.a.test");
}

static void each_domain_of_a_session_counts_once(void **s) {
  (void)s;
  const char *const events[] = {GREETING,
                                OFFER,
                                GO,
                                TLS,
                                FINE,
                                MAIL,
                                RCPT,
                                "tx-rcpt 2fcfc225|ok|ann@A.test",
                                "tx-rcpt 2fcfc225|permfail|joe|x@b.test",
                                "tx-begin 99",
                                "tx-rcpt 99|ok|joe@a.test",
                                NULL};
  struct seen seen = play(events);
  assert_int_equal(seen.count, 2);
  assert_string_equal(seen.at[0].domain, "a.test");
  assert_string_equal(seen.at[1].domain, "b.test");
}

static void a_host_without_starttls_that_takes_mail_is_a_failure_of_its_domain(void **s) {
  (void)s;
  const char *const events[] = {GREETING, NO_OFFER, FINE, MAIL, "protocol-server 550 5.1.1 who?", RCPT, NULL};
  struct seen seen = play(events);
  one(&seen, "a.test", MTS_ERR_STARTTLS_MISSING);
}

static void mail_in_clear_where_tls_was_offered_is_a_failed_handshake(void **s) {
  (void)s;
  const char *const events[] = {GREETING, OFFER, FINE, MAIL, RCPT, NULL};
  struct seen seen = play(events);
  one(&seen, "a.test", MTS_ERR_TLS_HANDSHAKE);
}

static void a_refused_starttls_is_told_with_what_the_host_said(void **s) {
  (void)s;
  const char *const events[] = {GREETING, OFFER, "protocol-server 454 4.7.0 TLS not available", NULL};
  struct seen seen = play(events);
  one(&seen, NULL, MTS_ERR_STARTTLS_REFUSED);
  assert_string_equal(seen.at[0].reason, "454 4.7.0 TLS not available");
}

static void a_session_that_ends_for_want_of_starttls_is_told_without_a_domain(void **s) {
  (void)s;
  const char *const events[] = {GREETING, NO_OFFER, NULL};
  struct seen seen = play(events);
  one(&seen, NULL, MTS_ERR_STARTTLS_MISSING);
}

static void since_7_0_a_certificate_that_fails_ends_the_session_without_link_tls(void **s) {
  (void)s;
  const char *const events[] = {GREETING, OFFER, GO, NULL};
  struct seen seen = play(events);
  one(&seen, NULL, MTS_ERR_TLS_HANDSHAKE);
}

static void before_7_0_it_ends_the_session_right_after_link_tls(void **s) {
  (void)s;
  const char *const events[] = {GREETING, OFFER, GO, TLS, NULL};
  struct seen seen = play(events);
  one(&seen, NULL, MTS_ERR_TLS_HANDSHAKE);
}

static void an_end_that_has_nothing_to_do_with_tls_is_not_told(void **s) {
  (void)s;
  const char *const banner[] = {"protocol-server 554 no mail today", NULL}, *const silent[] = {NULL},
                    *const halfway[] = {GREETING, "protocol-server 250-mx.a.test", NULL},
                    *const helo[] = {GREETING, "protocol-server 502 5.5.1 what?", NULL},
                    *const refused_mail[] = {GREETING, OFFER, GO, TLS, FINE, "protocol-server 550 5.7.1 no", NULL},
                    *const quiet[] = {GREETING, OFFER, NULL};
  const char *const *const all[] = {banner, silent, halfway, helo, refused_mail, quiet};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    struct seen seen = play(all[i]);
    assert_int_equal(seen.count, 0);
  }
}

/* OpenSMTPD: relay host "lmtp://…". */
static void a_delivery_over_lmtp_is_no_session_with_a_mail_host(void **s) {
  (void)s;
  const char *const mail[] = {GREETING, "link-identify LHLO|client.test", NO_OFFER, FINE, MAIL, RCPT, NULL},
                    *const without[] = {GREETING, "link-identify LHLO|client.test", NO_OFFER, NULL};
  struct seen seen = play(mail);
  assert_int_equal(seen.count, 0);
  seen = play(without);
  assert_int_equal(seen.count, 0);
  const char *const smtp[] = {GREETING, "link-identify EHLO|client.test", NO_OFFER, FINE, MAIL, RCPT, NULL};
  seen = play(smtp);
  one(&seen, "a.test", MTS_ERR_STARTTLS_MISSING);
}

/* TLS failed under "relay" without "tls": smtpd connects again under the same id, and asks for no TLS. */
static void a_session_that_connects_again_in_clear_is_a_failed_handshake(void **s) {
  (void)s;
  const char *const again = "link-connect 198.51.100.12|pass|[2001:db8::9]:58650|198.51.100.12:25";
  const char *const mail[] = {GREETING, OFFER, GO, again, GREETING, OFFER, FINE, MAIL, RCPT, NULL},
                    *const busy[] = {GREETING, OFFER, GO, again, "protocol-server 421 4.3.2 busy", NULL};
  struct seen seen = play(mail);
  one(&seen, "a.test", MTS_ERR_TLS_HANDSHAKE);
  seen = play(busy);
  one(&seen, NULL, MTS_ERR_TLS_HANDSHAKE);
}

static void sessions_that_never_connected_or_are_too_many_cost_nothing(void **s) {
  (void)s;
  struct seen seen = {0};
  struct outgoing *outgoing = NULL;
  assert_int_equal(outgoing_new(done, &seen, &outgoing), MTS_OK);
  report(outgoing, SESSION, "link-disconnect", NULL);
  report(outgoing, SESSION, "protocol-server", "220 x");
  report(outgoing, SESSION, "tx-rcpt", "1|ok|joe@a.test");
  for (unsigned i = 0; i < OUTGOING_MAX + 100; i++) {
    char id[20];
    snprintf(id, sizeof id, "%016x", i);
    report(outgoing, id, "link-connect", "");
    report(outgoing, id, "link-connect", "a|b");
    report(outgoing, id, "link-connect", "a|b|garbage|more:x:y");
    if (i % 2) report(outgoing, id, "tx-rcpt", "no bars");
  }
  outgoing_free(&outgoing);
  assert_int_equal(seen.count, 0);
}

static void a_session_has_a_most_of_domains(void **s) {
  (void)s;
  struct seen seen = {0};
  struct outgoing *outgoing = NULL;
  assert_int_equal(outgoing_new(done, &seen, &outgoing), MTS_OK);
  report(outgoing, SESSION, "link-connect", "x|pass|192.0.2.1:1|192.0.2.2:25");
  for (unsigned i = 0; i < OUTGOING_DOMAINS_MAX + 50; i++) {
    char fields[64];
    snprintf(fields, sizeof fields, "1|ok|joe@%u.test", i);
    seen.count = 0;
    report(outgoing, SESSION, "tx-rcpt", fields);
    assert_int_equal(seen.count, i < OUTGOING_DOMAINS_MAX);
  }
  outgoing_free(&outgoing);
}

static void reports_of_ours_count_nowhere_and_other_mail_of_the_session_does(void **state) {
  (void)state;
  struct seen seen = play((const char *const[]){GREETING, OFFER, GO, TLS, FINE, "tx-begin 1", "tx-mail 1|ok|Reports@Client.test",
                                                "tx-rcpt 1|ok|tlsrpt@a.test", "tx-begin 2", "tx-mail 2|ok|second@client.test",
                                                "tx-rcpt 2|ok|tlsrpt@b.test", NULL});
  assert_int_equal(seen.count, 0);
  seen = play((const char *const[]){GREETING, OFFER, GO, TLS, FINE, "tx-begin 1", "tx-mail 1|ok|reports@client.test",
                                    "tx-rcpt 1|ok|tlsrpt@a.test", "tx-begin 2", "tx-mail 2|ok|", "tx-rcpt 2|ok|joe@a.test", NULL});
  one(&seen, "a.test", MTS_OK);
  seen = play((const char *const[]){GREETING, NO_OFFER, "tx-begin 1", "tx-mail 1|ok|xreports@client.test",
                                    "tx-rcpt 1|ok|joe@a.test", NULL});
  one(&seen, "a.test", MTS_ERR_STARTTLS_MISSING);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mail_over_tls_is_a_success_of_its_domain),
      cmocka_unit_test(reports_of_ours_count_nowhere_and_other_mail_of_the_session_does),
      cmocka_unit_test(each_domain_of_a_session_counts_once),
      cmocka_unit_test(a_host_without_starttls_that_takes_mail_is_a_failure_of_its_domain),
      cmocka_unit_test(mail_in_clear_where_tls_was_offered_is_a_failed_handshake),
      cmocka_unit_test(a_refused_starttls_is_told_with_what_the_host_said),
      cmocka_unit_test(a_session_that_ends_for_want_of_starttls_is_told_without_a_domain),
      cmocka_unit_test(since_7_0_a_certificate_that_fails_ends_the_session_without_link_tls),
      cmocka_unit_test(before_7_0_it_ends_the_session_right_after_link_tls),
      cmocka_unit_test(an_end_that_has_nothing_to_do_with_tls_is_not_told),
      cmocka_unit_test(a_delivery_over_lmtp_is_no_session_with_a_mail_host),
      cmocka_unit_test(a_session_that_connects_again_in_clear_is_a_failed_handshake),
      cmocka_unit_test(sessions_that_never_connected_or_are_too_many_cost_nothing),
      cmocka_unit_test(a_session_has_a_most_of_domains),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

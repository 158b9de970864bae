/* SPDX-License-Identifier: ISC */
#include "resolve/context.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "resolve/repeats.h"

static void read_settings(struct mts *m) {
  const struct mts_settings *s = m->settings;
  m->background = settings_bool(s, SETTING_background);
  m->strict = settings_bool(s, SETTING_strict);
  m->allow_private = settings_bool(s, SETTING_allow_private);
  m->has_store = strcmp(settings_store(s), "none") != 0;
  m->has_shared = settings_shared_store(s)[0] != 0;
  m->shared_ms = settings_number(s, SETTING_shared_timeout_ms);
  m->defer_on_dns_failure = settings_choice(s, SETTING_on_dns_failure) == DNS_FAILURE_CHOICE_DEFER;
  m->dns_deadline_ms = settings_number(s, SETTING_dns_deadline_ms);
  m->mail_deadline_ms = settings_number(s, SETTING_mail_deadline_ms);
  m->fetch_deadline_ms = settings_number(s, SETTING_fetch_deadline_ms);
  m->probe_deadline_ms = settings_number(s, SETTING_probe_deadline_ms);
  m->refresh_s = settings_number(s, SETTING_refresh_s);
  m->retry_s = settings_number(s, SETTING_retry_s);
  m->memory_s = settings_number(s, SETTING_memory_s);
  m->smtp_port = (uint16_t)settings_number(s, SETTING_smtp_port);
}

/* To ask for the process id is a system call, and every lookup would. */
static bool *watch_forks(void) {
#ifdef MADV_WIPEONFORK
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return NULL;
  if (madvise(page, size, MADV_WIPEONFORK) == 0) {
    bool *same = page;
    *same = true;
    return same;
  }
  munmap(page, size);
#endif
  return NULL;
}

enum mts_err mts_new(const struct mts_settings *settings, struct mts **m) {
  struct mts *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->pid = getpid();
  made->same_process = watch_forks();
  made->works.next = made->works.previous = &made->works;
  made->clock = mts_clock_real;
  enum mts_err err = settings_copy(settings, &made->settings);
  if (!err) {
    read_settings(made);
    err = memory_new(settings_number(made->settings, SETTING_memory_entries), &made->memory);
  }
  if (!err) {
    err = mts_log_new((enum mts_log_to)settings_choice(made->settings, SETTING_log),
                      (enum mts_log_level)settings_choice(made->settings, SETTING_log_level), &made->clock, &made->log);
  }
  if (err) {
    mts_free(&made);
    return err;
  }
  *m = made;
  return MTS_OK;
}

void context_begin(struct mts *m, struct work *work, void (*drop)(struct work *work)) {
  work->drop = drop;
  work->next = &m->works;
  work->previous = m->works.previous;
  work->previous->next = work;
  m->works.previous = work;
}

void context_end(struct work *work) {
  work->previous->next = work->next;
  work->next->previous = work->previous;
}

void context_drop(struct work *work) {
  context_end(work);
  work->drop(work);
}

static void drop_all(struct mts *m) {
  while (m->works.next != &m->works) context_drop(m->works.next);
}

void mts_free(struct mts **m) {
  struct mts *it = *m;
  if (!it) return;
  context_after_fork(it);
  drop_all(it);
  if (it->net && !it->net_is_lent) it->net->ops->free(it->net);
  mts_store_close(&it->store);
  repeats_free(&it->repeats);
  memory_free(&it->memory);
  mts_settings_free(&it->settings);
  mts_log_free(&it->log);
  if (it->same_process) munmap(it->same_process, (size_t)sysconf(_SC_PAGESIZE));
  free(it);
  *m = NULL;
}

void mts_lend_net(struct mts *m, struct mts_net *net) {
  m->net = net;
  m->net_is_lent = true;
  m->clock = net->clock;
}

void mts_lend_loop(struct mts *m, void *event_base) { m->event_base = event_base; }

enum mts_err context_net(struct mts *m) {
  if (m->net) return MTS_OK;
  static const enum mts_net_dnssec dnssec[] = {[DNSSEC_CHOICE_AUTO] = MTS_NET_DNSSEC_AUTO,
                                               [DNSSEC_CHOICE_AD] = MTS_NET_DNSSEC_AD,
                                               [DNSSEC_CHOICE_VALIDATE] = MTS_NET_DNSSEC_VALIDATE,
                                               [DNSSEC_CHOICE_OFF] = MTS_NET_DNSSEC_OFF};
  const struct mts_settings *s = m->settings;
  struct mts_net_config config = {
      .nameservers = settings_text(s, SETTING_nameservers),
      .trust_anchors = settings_text(s, SETTING_trust_anchors),
      .ca_file = settings_text(s, SETTING_ca_file),
      .ca_path = settings_text(s, SETTING_ca_path),
      .https_port = (uint16_t)settings_number(s, SETTING_https_port),
      .https_proxy = settings_text(s, SETTING_https_proxy),
      .helo = settings_text(s, SETTING_helo),
      .shared_store = settings_shared_store(s),
      .shared_password_file = settings_text(s, SETTING_shared_password_file),
      .shared_ca_file = settings_text(s, SETTING_shared_ca_file),
      .shared_cert_file = settings_text(s, SETTING_shared_cert_file),
      .event_base = m->event_base,
      .log = m->log,
  };
  config.dnssec = dnssec[settings_choice(s, SETTING_dnssec)];
  return module_open(&config, &m->clock, m->log, &m->net);
}

void context_cancel(struct mts *m, struct mts_job **job) {
  if (*job && m->net) m->net->ops->cancel(m->net, job);
  *job = NULL;
}

void context_after_fork(struct mts *m) {
  if (m->same_process ? *m->same_process : getpid() == m->pid) return;
  m->pid = getpid();
  if (m->same_process) *m->same_process = true;
  /* What is under way, its sockets and its locks are the parent's: nobody here may answer, write or release them. */
  if (m->net && !m->net_is_lent) {
    m->net->ops->forget(m->net);
    m->net = NULL;
  }
  if (m->store) mts_store_forget(&m->store);
  drop_all(m);
}

bool mts_turn(struct mts *m, int max_wait_ms) {
  context_after_fork(m);
  return m->net && m->net->ops->turn(m->net, max_wait_ms);
}

int64_t mts_now(const struct mts *m) { return mts_clock_now_s(&m->clock); }

void mts_set_hooks(struct mts *m, mts_hook_fn hook, mts_alarm_fn alarm, void *arg) {
  m->hook = hook;
  m->alarm = alarm;
  m->hook_arg = arg;
}

void mts_set_hook_cancelled(struct mts *m, mts_hook_cancelled_fn cancelled) { m->hook_cancelled = cancelled; }

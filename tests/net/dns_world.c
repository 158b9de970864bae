/* SPDX-License-Identifier: ISC
 * DNS under load and in odd surroundings: many jobs, few file descriptors, a lent event base, IPv6, another resolv.conf, long names. */
#include <event2/event.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "dns_harness.h"

#define MANY 1000

static struct {
  unsigned calls, ok;
  unsigned timeouts, errors;
} sum;

static void count(void *arg, const struct mts_dns_answer *answer) {
  (void)arg;
  sum.calls++;
  sum.ok += answer->err == MTS_OK;
  sum.timeouts += answer->err == MTS_ERR_DNS_TIMEOUT;
  sum.errors += answer->err == MTS_ERR_DNS_NETWORK;
}

static int64_t start_and_wait(struct mts_net *net, const char *name, uint32_t deadline_ms, int jobs) {
  struct mts_job *job = NULL;
  int64_t begin = mts_clock_mono_ms(&mts_clock_real);
  memset(&sum, 0, sizeof sum);
  for (int i = 0; i < jobs; i++) {
    char each[64]; /* a question of its own */
    snprintf(each, sizeof each, "%s.%d.test", name, i);
    assert_int_equal(net->ops->dns(net, each, MTS_RR_TXT, deadline_ms, count, NULL, &job), MTS_OK);
  }
  while (net->ops->turn(net, 1000)) continue;
  assert_int_equal(sum.calls, jobs);
  return mts_clock_mono_ms(&mts_clock_real) - begin;
}

static void a_thousand_jobs_at_once_all_get_their_answer(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  start_and_wait(net, "txt", 20000, MANY);
  assert_int_equal(sum.ok, MANY);
  net->ops->free(net);
}

static void a_thousand_jobs_without_answer_all_end_at_their_deadline(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  int64_t took = start_and_wait(net, "silent", 800, MANY);
  assert_int_equal(sum.timeouts, MANY);
  assert_in_range(took, 700, 5000);
  net->ops->free(net);
}

static void too_few_file_descriptors_are_errors_not_crashes(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct rlimit before, few;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = before;
  few.rlim_cur = 40;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
  int64_t took = start_and_wait(net, "slow", 2000, 200);
  unsigned ended = sum.ok + sum.errors + sum.timeouts, ok = sum.ok;
  start_and_wait(net, "tcslow", 1500, 100);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(ended, 200);
  assert_true(ok > 0 && ok < 200);
  assert_in_range(took, 0, 4000);
  /* The shortage over, all is well again. */
  start_and_wait(net, "txt", 5000, 20);
  assert_int_equal(sum.ok, 20);
  net->ops->free(net);
}

static void tick(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  (*(int *)arg)++;
}

static void a_lent_event_base_is_left_as_it_was(void **state) {
  (void)state;
  struct event_base *base = event_base_new();
  int ticks = 0;
  struct event *own = event_new(base, -1, EV_PERSIST, tick, &ticks);
  struct timeval often = {.tv_usec = 20000};
  event_add(own, &often);
  int before = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
  struct mts_net_config config = {.nameservers = server, .trust_anchors = "", .event_base = base};
  struct mts_net *net = NULL;
  struct mts_job *job = NULL;
  assert_int_equal(mts_net_open_4(&config, &mts_clock_real, &net), MTS_OK);
  memset(&sum, 0, sizeof sum);
  static const char *const names[] = {"slow.test", "tcslow.test", "silent.test"};
  for (int i = 0; i < 3; i++) assert_int_equal(net->ops->dns(net, names[i], MTS_RR_TXT, 3000, count, NULL, &job), MTS_OK);
  while (sum.calls < 2) assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0); /* its owner drives it */
  assert_int_equal(sum.ok, 2);
  assert_true(ticks > 5);
  net->ops->free(net); /* silent.test is under way */
  assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), before);
  assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);
  ticks = 0;
  while (ticks < 2) assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
  event_free(own);
  event_base_free(base);
}

static int child_on_the_lent_base(struct mts_net *net, struct event_base *base) {
  struct timeval a_while = {.tv_usec = 600000};
  net->ops->forget(net);
  if (event_reinit(base) != 0) return 1; /* as its owner must */
  event_base_loopexit(base, &a_while);
  event_base_loop(base, 0);
  return sum.calls ? 2 : 0;
}

static void a_forked_child_on_a_lent_base_does_not_take_the_answer(void **state) {
  (void)state;
  struct event_base *base = event_base_new();
  struct mts_net_config config = {.nameservers = server, .trust_anchors = "", .event_base = base};
  struct mts_net *net = NULL;
  struct mts_job *job = NULL;
  int status = -1;
  assert_int_equal(mts_net_open_4(&config, &mts_clock_real, &net), MTS_OK);
  memset(&sum, 0, sizeof sum);
  assert_int_equal(net->ops->dns(net, "slow.test", MTS_RR_TXT, 6000, count, NULL, &job), MTS_OK);
  int64_t begin = mts_clock_mono_ms(&mts_clock_real);
  while (mts_clock_mono_ms(&mts_clock_real) - begin < 50) net->ops->turn(net, 10);
  pid_t pid = fork();
  if (pid == 0) _exit(child_on_the_lent_base(net, base));
  usleep(500000); /* the answer is there; the child could take it */
  begin = mts_clock_mono_ms(&mts_clock_real);
  while (net->ops->turn(net, 1000)) continue;
  assert_int_equal(sum.ok, 1);
  assert_true(mts_clock_mono_ms(&mts_clock_real) - begin < 300); /* not asked again */
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  net->ops->free(net);
  event_base_free(base);
}

static void a_server_may_have_an_ipv6_address_and_a_port(void **state) {
  (void)state;
  struct misbehaver six = {.in = -1};
  char text[32];
  if (!misbehaver_start("::1", "0", &six, text)) {
    misbehaver_stop(&six);
    print_message("no IPv6 on the loopback here\n");
    skip();
  }
  struct mts_net *net = open_world(text, MTS_NET_DNSSEC_OFF);
  struct got got = ask_in(net, "txt.test", MTS_RR_TXT, 3000);
  assert_int_equal(got.answer.err, MTS_OK);
  assert_memory_equal(got.answer.detail, text, strlen(text));
  assert_int_equal(ask_in(net, "tc.test", MTS_RR_TXT, 3000).answer.err, MTS_OK);
  net->ops->free(net);
  misbehaver_stop(&six);
}

static void all_servers_dead_ends_at_the_deadline(void **state) {
  (void)state;
  int mute[2], closed;
  char list[128] = "", part[40];
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t n = sizeof at;
  for (int i = 0; i < 3; i++) {
    int *fd = i < 2 ? &mute[i] : &closed; /* two are silent, nobody is at the third */
    *fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    at.sin_port = 0;
    assert_int_equal(bind(*fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&at, &n), 0);
    snprintf(part, sizeof part, "127.0.0.1:%u ", (unsigned)ntohs(at.sin_port));
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s", part);
  }
  close(closed);
  struct mts_net *net = open_world(list, MTS_NET_DNSSEC_OFF);
  int64_t begin = mts_clock_mono_ms(&mts_clock_real);
  struct got got = ask_in(net, "txt.test", MTS_RR_TXT, 6000);
  int64_t took = mts_clock_mono_ms(&mts_clock_real) - begin;
  assert_int_equal(got.answer.err, MTS_ERR_DNS_TIMEOUT);
  assert_non_null(strstr(got.answer.detail, "no answer"));
  assert_in_range(took, 5900, 6500);
  net->ops->free(net);
  for (int i = 0; i < 2; i++) close(mute[i]);
}

static void the_longest_names_and_underscores_are_asked_as_they_are(void **state) {
  (void)state;
  char a[64], b[64], c[64], d[62], name[256];
  memset(a, 'a', 63), memset(b, 'b', 63), memset(c, 'c', 63), memset(d, 'd', 61);
  a[63] = b[63] = c[63] = d[61] = '\0';
  snprintf(name, sizeof name, "%s.%s.%s.%s", a, b, c, d);
  assert_int_equal(strlen(name), 253);
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct got got = ask_in(net, name, MTS_RR_TXT, 3000);
  assert_int_equal(got.answer.err, MTS_OK);
  assert_string_equal(got.answer.canonical, name);
  got = ask_in(net, "_25._tcp.mx.example", MTS_RR_TLSA, 3000);
  assert_int_equal(got.answer.err, MTS_OK);
  assert_string_equal(got.answer.canonical, "_25._tcp.mx.example");
  assert_int_equal(got.n0, 32);
  got = ask_in(net, "_mta-sts.example", MTS_RR_TXT, 3000);
  assert_string_equal(got.answer.canonical, "_mta-sts.example");
  net->ops->free(net);
}

static void a_name_that_cannot_be_asked_is_refused_at_once(void **state) {
  (void)state;
  char label[65], name[300];
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct mts_job *job = NULL;
  memset(label, 'a', 64);
  label[64] = '\0';
  snprintf(name, sizeof name, "%s.test", label);
  assert_int_equal(net->ops->dns(net, name, MTS_RR_A, 100, count, NULL, &job), MTS_ERR_NAME_SYNTAX);
  assert_int_equal(net->ops->dns(net, "a..test", MTS_RR_A, 100, count, NULL, &job), MTS_ERR_NAME_SYNTAX);
  assert_int_equal(net->ops->dns(net, "", MTS_RR_A, 100, count, NULL, &job), MTS_ERR_NAME_SYNTAX);
  snprintf(name, sizeof name, "%.63s.%.63s.%.63s.%.62s", label, label, label, label); /* 254 */
  assert_int_equal(net->ops->dns(net, name, MTS_RR_A, 100, count, NULL, &job), MTS_ERR_NAME_LONG);
  assert_null(job);
  net->ops->free(net);
}

static void take_address(void *arg, const struct mts_dns_answer *answer) {
  if (answer->err == MTS_OK && answer->count == 1) *(struct mts_address *)arg = answer->records[0].u.address;
}

static void a_and_aaaa_of_one_host_side_by_side(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct mts_address four[20] = {{0}}, six[20] = {{0}};
  struct mts_job *job = NULL;
  for (int i = 0; i < 20; i++) {
    assert_int_equal(net->ops->dns(net, "both.test", MTS_RR_A, 3000, take_address, &four[i], &job), MTS_OK);
    assert_int_equal(net->ops->dns(net, "both.test", MTS_RR_AAAA, 3000, take_address, &six[i], &job), MTS_OK);
  }
  while (net->ops->turn(net, 1000)) continue;
  for (int i = 0; i < 20; i++) {
    assert_int_equal(four[i].family, AF_INET);
    assert_int_equal(six[i].family, AF_INET6);
  }
  net->ops->free(net);
}

/* ---- resolv.conf, in namespaces of our own where port 53 is free ---- */

static bool write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  if (fd >= 0) close(fd);
  return written;
}

static bool loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  request.ifr_flags = IFF_UP;
  bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  if (fd >= 0) close(fd);
  return up;
}

static int64_t ahead_ms;
static int64_t later(void *arg) {
  (void)arg;
  return mts_clock_mono_ms(&mts_clock_real) + ahead_ms;
}

static bool answered_by(struct mts_net *net, const char *address) {
  struct got got = ask_in(net, "txt.test", MTS_RR_TXT, 3000);
  if (got.answer.err == MTS_OK && strncmp(got.answer.detail, address, strlen(address)) == 0) return true;
  print_error("%s instead of %s\n", got.answer.detail, address);
  return false;
}

#define CANNOT 77
static int in_namespaces(const char *file) {
  char text[64];
  struct misbehaver one = {.in = -1}, two = {.in = -1};
  unsigned uid = getuid(), gid = getgid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0) return CANNOT;
  snprintf(text, sizeof text, "0 %u 1", uid);
  if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", text)) return CANNOT;
  snprintf(text, sizeof text, "0 %u 1", gid);
  if (!write_file("/proc/self/gid_map", text) || !loopback_up()) return CANNOT;
  if (mount(file, "/etc/resolv.conf", "none", MS_BIND, "") != 0) return CANNOT;
  if (!misbehaver_start("127.0.0.1", "53", &one, text) || !misbehaver_start("127.0.0.2", "53", &two, text)) return 1;
  struct mts_clock clock = mts_clock_real;
  clock.mono_ms = later;
  struct mts_net_config config = {.nameservers = "", .trust_anchors = ""};
  struct mts_net *net = NULL;
  if (mts_net_open_4(&config, &clock, &net) != MTS_OK) return 2;
  int bad = answered_by(net, "127.0.0.1:53") ? 0 : 3;
  if (!bad && !write_file(file, "# moved\nnameserver 127.0.0.2\n")) bad = 4;
  if (!bad && !answered_by(net, "127.0.0.1:53")) bad = 5; /* not looked at for every question */
  ahead_ms = 31000;
  if (!bad && !answered_by(net, "127.0.0.2:53")) bad = 6;
  net->ops->free(net);
  misbehaver_stop(&one);
  misbehaver_stop(&two);
  return bad;
}

static void a_changed_resolv_conf_is_noticed(void **state) {
  (void)state;
  char file[] = "/tmp/mtasts-resolv-XXXXXX";
  int status = -1, fd = mkstemp(file);
  assert_true(fd >= 0);
  close(fd);
  assert_true(write_file(file, "options edns0\nnameserver 127.0.0.1\n"));
  pid_t pid = fork();
  if (pid == 0) _exit(in_namespaces(file));
  assert_int_equal(waitpid(pid, &status, 0), pid);
  unlink(file);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == CANNOT) {
    print_message("no namespaces of our own here: /etc/resolv.conf cannot be replaced\n");
    skip();
  }
  assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_thousand_jobs_at_once_all_get_their_answer),
      cmocka_unit_test(a_thousand_jobs_without_answer_all_end_at_their_deadline),
      cmocka_unit_test(too_few_file_descriptors_are_errors_not_crashes),
      cmocka_unit_test(a_lent_event_base_is_left_as_it_was),
      cmocka_unit_test(a_forked_child_on_a_lent_base_does_not_take_the_answer),
      cmocka_unit_test(a_server_may_have_an_ipv6_address_and_a_port),
      cmocka_unit_test(all_servers_dead_ends_at_the_deadline),
      cmocka_unit_test(the_longest_names_and_underscores_are_asked_as_they_are),
      cmocka_unit_test(a_name_that_cannot_be_asked_is_refused_at_once),
      cmocka_unit_test(a_and_aaaa_of_one_host_side_by_side),
      cmocka_unit_test(a_changed_resolv_conf_is_noticed),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}

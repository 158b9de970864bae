/* SPDX-License-Identifier: ISC
 * Operations under way, and the line of tasks that may go on. Raises nothing. */
#include <string.h>

#include "env.h"
#include "resolve/look.h"

void task_ready(struct task *task) {
  if (task->queued || task->wait.done) return;
  struct env *env = task->env;
  task->queued = true;
  task->next = NULL;
  if (env->last)
    env->last->next = task;
  else
    env->first = task;
  env->last = task;
  if (env->wake && env->first == task) env->wake(env->wake_arg);
}

void task_unready(struct task *task) {
  struct env *env = task->env;
  if (!task->queued) return;
  task->queued = false;
  struct task *before = NULL;
  for (struct task *each = env->first; each != task; each = each->next) before = each;
  if (before)
    before->next = task->next;
  else
    env->first = task->next;
  if (env->last == task) env->last = before;
}

void waitable_done(struct waitable *w) {
  struct task *task = w->waiter;
  w->waiter = NULL;
  if (!task) return;
  task->waits_for = NULL; /* w may be gone before the task runs */
  task_ready(task);
}

void op_link(struct op *op, const char *subject) {
  struct env *env = op->env;
  memccpy(op->subject, subject, 0, sizeof op->subject);
  op->subject[sizeof op->subject - 1] = 0;
  op->previous = NULL;
  op->next = env->ops;
  op->linked = true;
  if (env->ops) env->ops->previous = op;
  env->ops = op;
}

static void unlink_op(struct op *op) {
  if (!op->linked) return;
  if (op->previous)
    op->previous->next = op->next;
  else
    op->env->ops = op->next;
  if (op->next) op->next->previous = op->previous;
  op->linked = false;
}

void op_end(struct op *op) {
  unlink_op(op);
  op->env->in_core++;
  mts_lookup_cancel(&op->lookup);
  mts_probe_cancel(&op->probe);
  look_cancel(&op->look);
  op->env->in_core--;
}

void op_done(struct op *op) {
  op->lookup = NULL;
  op->probe = NULL;
  op->look = NULL;
  unlink_op(op);
  op->wait.done = true;
  waitable_done(&op->wait);
}

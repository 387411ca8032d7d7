/* malmoi's optimizers as a C library: one shared object, no other header, no exceptions.
 *
 * Handles are created, stepped and destroyed by one thread at a time; different handles are
 * independent. Functions that return int give 0 for success and a malmoi_code otherwise; the text
 * is malmoi_last_error() of the same thread until its next call. Strings that are returned as char*
 * belong to the caller, who frees them with malmoi_free.
 *
 * A step is all or nothing: where it fails, parameters and states are as they were.
 */
#ifndef MALMOI_OPTIM_H_
#define MALMOI_OPTIM_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MALMOI_API __attribute__((visibility("default")))

typedef enum {
  MALMOI_OK = 0,
  MALMOI_INVALID_ARGUMENT = 1, /* An option, shape or state is wrong; the text names it. */
  MALMOI_NOT_FOUND = 2,        /* No optimizer, schedule or loss of that name. */
  MALMOI_UNSUPPORTED = 3,      /* Well formed, but this build or optimizer cannot do it. */
  MALMOI_CORRUPTION = 4,       /* A checkpoint's bytes do not fit. */
  MALMOI_OTHER = 5
} malmoi_code;

typedef enum { MALMOI_F32 = 0, MALMOI_F64 = 1, MALMOI_BF16 = 2 } malmoi_dtype;

/* A tensor to train, contiguous and row-major. grad may be null for a step without one. */
typedef struct {
  const char* name; /* For weight-decay masks and messages; may be null. */
  int32_t dtype;    /* malmoi_dtype, of data and grad. */
  int32_t grad_dtype;
  int64_t group;
  int64_t rank;
  const int64_t* shape;
  void* data;
  const void* grad;
} malmoi_tensor;

typedef struct malmoi_optimizer malmoi_optimizer;

MALMOI_API const char* malmoi_last_error(void);
MALMOI_API void malmoi_free(void* text);

/* JSON: the registry's names, sorted; an optimizer's options with their defaults (or null). */
MALMOI_API char* malmoi_optim_names(void);
MALMOI_API char* malmoi_optim_defaults(const char* name);

/* `config` is JSON: {"options": {...}, "groups": [{...}, ...], "engine": {"threads": 2, ...}}.
 * groups holds one object of overrides a parameter group. Engine members: threads, state
 * ("param", "bf16", "q8"), f32_states, clip_norm, stochastic_rounding, kahan, seed, no_decay,
 * bf16_products (SOAP and Shampoo: products of matrices in bf16).
 * The tensors' memory stays the caller's and must outlive the handle. Null where it fails. */
MALMOI_API malmoi_optimizer* malmoi_optim_create(const char* name, const malmoi_tensor* tensors,
                                                 int64_t count, const char* config);
MALMOI_API void malmoi_optim_destroy(malmoi_optimizer* optimizer);

/* Where the tensors are from now on: `count` of each, null entries of grads for none. */
MALMOI_API int malmoi_optim_bind(malmoi_optimizer* optimizer, void* const* data,
                                 const void* const* grads, int64_t count);

typedef double (*malmoi_closure)(void* context);
typedef struct {
  malmoi_closure closure; /* Or null. May call malmoi_optim_bind. */
  void* context;
  double loss;
  int32_t has_loss;
  int32_t check_inf; /* A gradient that is not finite: nothing changes and skipped is set. */
  double grad_scale; /* Gradients are multiplied by this; 1 for none. */
  const void* const* hessian; /* One a tensor, or null. */
  int32_t skipped;            /* Out. */
  double grad_norm;           /* Out, with clip_norm. */
} malmoi_step;

/* One step; `step` may be null for the plain one. */
MALMOI_API int malmoi_optim_step(malmoi_optimizer* optimizer, malmoi_step* step);
/* From the next step on, rules that draw numbers (alice, apollo, bsam, dash, gravity, kron, spam)
 * draw from torch's CPU generator in this state, the 5056 bytes of torch.get_rng_state(). `uniform`:
 * kron's number of numpy.random.random() for each step; below 0: from the same state. */
MALMOI_API int malmoi_optim_set_random(malmoi_optimizer* optimizer, const void* state,
                                       int64_t bytes, double uniform);
/* Writes that state as the steps since have left it into the same 5056 bytes. */
MALMOI_API int malmoi_optim_random(const malmoi_optimizer* optimizer, void* state, int64_t bytes);
/* The same in pieces, for backward passes that free each gradient. */
MALMOI_API int malmoi_optim_begin(malmoi_optimizer* optimizer);
/* With grad_scale and loss of `step`; closures and hessians need the whole step. */
MALMOI_API int malmoi_optim_begin_with(malmoi_optimizer* optimizer, const malmoi_step* step);
/* 1 where a step looks at all tensors together: gradients must stay until malmoi_optim_end. */
MALMOI_API int malmoi_optim_coupled(const malmoi_optimizer* optimizer);
MALMOI_API int malmoi_optim_step_param(malmoi_optimizer* optimizer, int64_t index);
MALMOI_API int malmoi_optim_end(malmoi_optimizer* optimizer);
/* Schedule-free and averaging rules: to the evaluated point (1) or the trained one (0). */
MALMOI_API int malmoi_optim_eval(malmoi_optimizer* optimizer, int32_t eval);

/* Options and group state ("step", ...) as a JSON object. */
MALMOI_API int malmoi_optim_set_options(malmoi_optimizer* optimizer, int64_t group,
                                        const char* json);
MALMOI_API char* malmoi_optim_group_state(malmoi_optimizer* optimizer, int64_t group);
MALMOI_API int malmoi_optim_set_group_state(malmoi_optimizer* optimizer, int64_t group,
                                            const char* json);

/* One tensor's state. entries point into the optimizer until its next call. */
typedef struct {
  const char* name; /* The reference's state_dict key; lists as "GG.0", "GG.1". */
  int32_t dtype;
  int64_t rank;
  const int64_t* shape;
  const void* data;
  int64_t bytes;
} malmoi_state_entry;
/* *entries and *scalars (JSON object) stay valid until the next call on this handle. */
MALMOI_API int malmoi_optim_state(malmoi_optimizer* optimizer, int64_t index,
                                  const malmoi_state_entry** entries, int64_t* count,
                                  const char** scalars);
MALMOI_API int malmoi_optim_set_state(malmoi_optimizer* optimizer, int64_t index,
                                      const malmoi_state_entry* entries, int64_t count,
                                      const char* scalars);

/* One safetensors file with everything a step depends on. */
MALMOI_API int malmoi_optim_save(malmoi_optimizer* optimizer, const char* path);
MALMOI_API int malmoi_optim_load(malmoi_optimizer* optimizer, const char* path);

/* Losses: value and gradient of the mean, sum or each item. `x` and `y` are f32 or f64 (y int64
 * class numbers where y_dtype is -1). value needs room for value_count numbers, gradient for one a
 * prediction. *value_count: in, the room; out, how many there are. */
MALMOI_API int malmoi_loss(const char* name, const char* options, int32_t dtype, const void* x,
                           int64_t x_rank, const int64_t* x_shape, int32_t y_dtype, const void* y,
                           int64_t y_rank, const int64_t* y_shape, double* value,
                           int64_t* value_count, double* gradient);

/* Schedules: the handle's rate now, and after one step. */
typedef struct malmoi_schedule malmoi_schedule;
MALMOI_API malmoi_schedule* malmoi_schedule_create(const char* name, const char* options,
                                                   double base_lr);
MALMOI_API double malmoi_schedule_lr(const malmoi_schedule* schedule);
MALMOI_API double malmoi_schedule_step(malmoi_schedule* schedule);
MALMOI_API void malmoi_schedule_destroy(malmoi_schedule* schedule);

#ifdef __cplusplus
}
#endif
#endif /* MALMOI_OPTIM_H_ */

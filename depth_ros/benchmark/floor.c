/* The floor of a stereo node's message path: what depth_node takes and gives, with nothing in between, in C on rcl.
 *
 * Takes left and right image and camera_info, serialised, into buffers that are kept; when both images of a stamp are
 * there, publishes a depth image of their size from a buffer that was filled before. Best effort in, reliable out, as
 * depth_node. The camera of the benchmark has the frame_id "left", so places in the serialised bytes are constants.
 */
#include <rcl/error_handling.h>
#include <rcl/rcl.h>
#include <sensor_msgs/msg/camera_info.h>
#include <sensor_msgs/msg/image.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAMP = 4, FRAME_ID = 12, HEIGHT = 24, WIDTH = 28, ENCODING = 32, STEP = 44, LENGTH = 48, DATA = 52, STREAMS = 4 };
static const char *TOPICS[STREAMS] = {"left/image_rect", "right/image_rect", "left/camera_info", "right/camera_info"};

static void must(rcl_ret_t result, const char *what) {
  if (result != RCL_RET_OK) {
    fprintf(stderr, "floor: %s: %s\n", what, rcl_get_error_string().str);
    exit(1);
  }
}

static void put(uint8_t *buffer, size_t place, uint32_t value) { memcpy(buffer + place, &value, sizeof value); }

static uint32_t get(const uint8_t *buffer, size_t place) {
  uint32_t value;
  memcpy(&value, buffer + place, sizeof value);
  return value;
}

/* Lay out a 32FC1 image of this size, where the last one had another. */
static void shape(rcl_serialized_message_t *depth, uint32_t height, uint32_t width) {
  size_t size = DATA + (size_t)4 * height * width;
  if (depth->buffer_length == size && get(depth->buffer, WIDTH) == width) return;
  must(rmw_serialized_message_resize(depth, size), "resize");
  memset(depth->buffer, 0, size);
  depth->buffer_length = size;
  depth->buffer[1] = 1; /* little endian */
  put(depth->buffer, FRAME_ID, 5);
  memcpy(depth->buffer + FRAME_ID + 4, "left", 5);
  put(depth->buffer, HEIGHT, height);
  put(depth->buffer, WIDTH, width);
  put(depth->buffer, ENCODING, 6);
  memcpy(depth->buffer + ENCODING + 4, "32FC1", 6);
  put(depth->buffer, STEP, 4 * width);
  put(depth->buffer, LENGTH, 4 * height * width);
}

int run_floor(void) {
  rcl_allocator_t allocator = rcl_get_default_allocator();
  rcl_init_options_t options = rcl_get_zero_initialized_init_options();
  rcl_context_t context = rcl_get_zero_initialized_context();
  must(rcl_init_options_init(&options, allocator), "options");
  must(rcl_init(0, NULL, &options, &context), "init");
  rcl_node_t node = rcl_get_zero_initialized_node();
  rcl_node_options_t node_options = rcl_node_get_default_options();
  must(rcl_node_init(&node, "floor", "", &context, &node_options), "node");

  const rosidl_message_type_support_t *image = ROSIDL_GET_MSG_TYPE_SUPPORT(sensor_msgs, msg, Image);
  const rosidl_message_type_support_t *info = ROSIDL_GET_MSG_TYPE_SUPPORT(sensor_msgs, msg, CameraInfo);
  rcl_subscription_t subscriptions[STREAMS];
  rcl_serialized_message_t taken[STREAMS], depth = rmw_get_zero_initialized_serialized_message();
  must(rmw_serialized_message_init(&depth, 0, &allocator), "buffer");
  for (int i = 0; i < STREAMS; i++) {
    rcl_subscription_options_t how = rcl_subscription_get_default_options();
    how.qos.depth = 5;
    how.qos.reliability = RMW_QOS_POLICY_RELIABILITY_BEST_EFFORT;
    subscriptions[i] = rcl_get_zero_initialized_subscription();
    must(rcl_subscription_init(&subscriptions[i], &node, i < 2 ? image : info, TOPICS[i], &how), TOPICS[i]);
    taken[i] = rmw_get_zero_initialized_serialized_message();
    must(rmw_serialized_message_init(&taken[i], 0, &allocator), "buffer");
  }
  rcl_publisher_t publisher = rcl_get_zero_initialized_publisher();
  rcl_publisher_options_t how = rcl_publisher_get_default_options();
  how.qos.depth = 5;
  must(rcl_publisher_init(&publisher, &node, image, "depth/image_rect", &how), "publisher");

  rcl_wait_set_t set = rcl_get_zero_initialized_wait_set();
  must(rcl_wait_set_init(&set, STREAMS, 0, 0, 0, 0, 0, &context, allocator), "wait set");
  uint8_t stamps[2][8] = {{0}, {1}};
  while (rcl_context_is_valid(&context)) {
    must(rcl_wait_set_clear(&set), "clear");
    for (int i = 0; i < STREAMS; i++) must(rcl_wait_set_add_subscription(&set, &subscriptions[i], NULL), "add");
    rcl_ret_t result = rcl_wait(&set, RCL_MS_TO_NS(500));
    if (result == RCL_RET_TIMEOUT) continue;
    must(result, "wait");
    for (int i = 0; i < STREAMS; i++) {
      if (!set.subscriptions[i]) continue;
      while (rcl_take_serialized_message(&subscriptions[i], &taken[i], NULL, NULL) == RCL_RET_OK) {
        if (i > 1) continue;
        memcpy(stamps[i], taken[i].buffer + STAMP, 8);
        if (memcmp(stamps[0], stamps[1], 8)) continue;
        shape(&depth, get(taken[i].buffer, HEIGHT), get(taken[i].buffer, WIDTH));
        memcpy(depth.buffer + STAMP, stamps[0], 8);
        must(rcl_publish_serialized_message(&publisher, &depth, NULL), "publish");
      }
      rcl_reset_error(); /* nothing to take is no error */
    }
  }
  return 0;
}

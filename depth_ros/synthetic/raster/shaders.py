"""The shading programs (GLSL 3.30) of the rasteriser.

Software rendering pays for every instruction of a fragment: ambient light and lamps are therefore
worked out at the vertices, for both sides of the surface, and only textures, the sun's shadow and
gloss at the fragments.
"""

_VERTEX = """
#version 330
in vec3 position;
in vec3 normal;
in vec2 uv;
in float part;
uniform sampler2D table;
uniform mat4 clip_T_world;
uniform vec4 depth_of_world;  // the camera's z axis and its offset
uniform mat4 shadow_T_world;
uniform vec3 towards_sun, sky, ground;
uniform vec3 lamp_0, lamp_1, lamp_color_0, lamp_color_1;
uniform float fog;
out vec3 world_point, world_normal, shadow_point;
out vec2 surface_uv, texture_uv;
out vec4 front, back;  // ambient light and lamps; cosine of the sun's angle
out float depth, clear_air;
flat out vec4 head, gain, offset, gloss;
vec4 row(int k) { return texelFetch(table, ivec2(k, int(part + 0.5)), 0); }
vec4 lit(vec3 n, vec3 to_0, vec3 to_1) {
    vec3 light = mix(ground, sky, 0.5 - 0.5 * n.y);
    light += lamp_color_0 * max(dot(n, to_0), 0.0) + lamp_color_1 * max(dot(n, to_1), 0.0);
    return vec4(light, dot(n, towards_sun));
}
vec3 towards(vec3 lamp) {  // unit vector, weakened by the distance
    vec3 to = lamp - position;
    float d2 = dot(to, to);
    return to * inversesqrt(d2) / (0.05 + d2);
}
void main() {
    head = row(0);
    gain = row(1);
    offset = row(2);
    gloss = row(4);
    vec4 place = row(3);
    world_point = position;
    world_normal = normal;
    surface_uv = uv;
    texture_uv = uv * place.xy + place.zw;
    vec3 n = normalize(normal);
    vec3 to_0 = towards(lamp_0);
    vec3 to_1 = towards(lamp_1);
    front = lit(n, to_0, to_1);
    back = lit(-n, to_0, to_1);
    shadow_point = (shadow_T_world * vec4(position, 1.0)).xyz;
    depth = dot(depth_of_world.xyz, position) + depth_of_world.w;
    clear_air = exp(-fog * depth);
    gl_Position = clip_T_world * vec4(position, 1.0);
}
"""

_INPUTS = """
#version 330
in vec3 world_point, world_normal, shadow_point;
in vec2 surface_uv, texture_uv;
in vec4 front, back;
in float depth, clear_air;
flat in vec4 head, gain, offset, gloss;
uniform sampler2DArray cutouts;
void cut() {
    if (texture(cutouts, vec3(surface_uv, head.y)).r < 0.5) discard;
}
"""

_TRUTH = (
    _INPUTS
    + """
layout(location = 0) out vec4 normal_and_instance;
layout(location = 1) out float first_depth;
void main() {
    CUT
    vec3 n = normalize(world_normal);
    normal_and_instance = vec4(gl_FrontFacing ? -n : n, head.z);
    first_depth = depth;
}
"""
)

_DEPTH = (
    _INPUTS
    + """
layout(location = 0) out float first_depth;
void main() {
    CUT
    first_depth = depth;
}
"""
)

_PANORAMA = """
vec3 panorama(vec3 d) {  // a hemisphere on a disc; below the horizon it is mirrored
    vec3 c = textureLod(textures, vec3(0.5 + 0.5 * d.xz / (1.0 + abs(d.y)), environment), 0.0).rgb;
    return c * c;
}
"""

_COLOR = (
    _INPUTS
    + """
uniform sampler2DArray textures;
uniform sampler2DShadow shadow;
uniform float shadow_on;
uniform vec3 eye, towards_sun, sun, sky, ground, lamp_0, lamp_color_0;
uniform vec3 haze;
uniform float environment;
layout(location = 0) out vec4 color;
"""
    + _PANORAMA
    + """
void main() {
    CUT
    vec3 t = texture(textures, vec3(texture_uv, head.x)).rgb;
    vec3 albedo = t * t * gain.rgb + offset.rgb;
    vec4 light = gl_FrontFacing ? back : front;
    float direct = max(light.a, 0.0);
    if (shadow_on > 0.5) direct *= texture(shadow, shadow_point);
    vec3 c = albedo * (light.rgb + sun * direct + gain.a);
    GLOSS
    color = vec4(mix(haze, c, clear_air), head.w);
}
"""
)

# Blinn-Phong highlights; exp2 stands in for a power near 1 (spherical Gaussian, Lagarde 2012)
_GLOSS = """
    vec3 view = normalize(world_point - eye);
    vec3 n = normalize(gl_FrontFacing ? -world_normal : world_normal);
    vec3 half_way = normalize(towards_sun - view);
    c += gloss.x * sun * direct * exp2(gloss.y * (dot(n, half_way) - 1.0));
    half_way = normalize(normalize(lamp_0 - world_point) - view);
    c += gloss.x * 0.3 * lamp_color_0 * exp2(gloss.y * (dot(n, half_way) - 1.0));
"""

# Reflections of the surroundings; they grow at grazing angles (Schlick 1994)
_MIRROR = """
    vec3 away = reflect(view, n);
    vec3 seen = mix(ground, sky, 0.5 - 0.5 * away.y) * (0.25 + 2.0 * panorama(away));
    float grazing = 1.0 + dot(view, n);
    c = mix(c, seen, mix(offset.a, 1.0, 0.5 * grazing * grazing * grazing * grazing));
"""

_SKY_VERTEX = """
#version 330
in vec2 corner;
uniform mat3 world_R_clip;
out vec3 ray;
void main() {
    ray = world_R_clip * vec3(corner, 1.0);
    gl_Position = vec4(corner, 1.0, 1.0);
}
"""

_SKY = (
    """
#version 330
in vec3 ray;
uniform sampler2DArray textures;
uniform vec3 sky;
uniform float environment, sky_gain;
layout(location = 0) out vec4 color;
"""
    + _PANORAMA
    + """
void main() {
    vec3 d = normalize(ray);
    float up = clamp(-3.0 * d.y, 0.0, 1.0);
    color = vec4(sky_gain * sky * mix(vec3(1.0), 0.4 + 1.2 * panorama(d), up), 1.0);
}
"""
)

_SHADOW = (
    _INPUTS
    + """
void main() {
    CUT
}
"""
)

_FULL_VERTEX = """
#version 330
in vec2 corner;
void main() { gl_Position = vec4(corner, 0.0, 1.0); }
"""

_RESOLVE = """
#version 330
uniform sampler2D fine;
layout(location = 0) out vec4 color;
void main() {
    ivec2 at = 2 * ivec2(gl_FragCoord.xy);
    vec4 sum = texelFetch(fine, at, 0) + texelFetch(fine, at + ivec2(1, 0), 0)
        + texelFetch(fine, at + ivec2(0, 1), 0) + texelFetch(fine, at + ivec2(1, 1), 0);
    // contrast beyond the texture's own may go below black
    color = 0.5 * sqrt(max(sum, vec4(0.0)));
}
"""


def _variant(fragment: str, cut: str, gloss: str) -> tuple[str, str]:
    return _VERTEX, fragment.replace("CUT", cut).replace("GLOSS", gloss)


def _programs():
    """Vertex and fragment source by (kind, pass).

    A discard anywhere turns early depth tests off, and software runs both sides of every branch:
    what only some materials need has its own pass.
    """
    programs = {}
    for name, cut, gloss in (
        ("solid", "", ""),
        ("glossy", "", _GLOSS),
        ("mirror", "", _GLOSS + _MIRROR),
        ("cut", "cut();", ""),
        ("panes", "", _GLOSS + _MIRROR),
    ):
        programs["color", name] = _variant(_COLOR, cut, gloss)
        programs["truth", name] = _variant(_TRUTH, cut, gloss)
        programs["depth", name] = _variant(_DEPTH, cut, gloss)
        programs["shadow", name] = _variant(_SHADOW, cut, gloss)
    programs["sky", ""] = (_SKY_VERTEX, _SKY)
    programs["resolve", ""] = (_FULL_VERTEX, _RESOLVE)
    return programs


PROGRAMS = _programs()
PASSES = ("solid", "glossy", "mirror", "cut", "panes")

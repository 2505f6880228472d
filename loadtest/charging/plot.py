"""The plot of a benchmark, as SVG without any library: for each set and mode, energy against fairness."""
import html

WIDTH, PANEL_W, PANEL_H = 900, 380, 230
LEFT, TOP, GAP_X, GAP_Y = 60, 84, 60, 64
COLOURS = ["#7f7f7f", "#8c564b", "#e377c2", "#1f77b4", "#17becf", "#bcbd22"]
OWN, OWN_TRUSTED = "#d62728", "#ff7f0e"
MODES = ["real", "user"]
TITLES = {"real": "true energy and departure", "user": "drivers' statements"}
FONT = 'font-family="Helvetica, Arial, sans-serif"'


def drawn(results, sets, references, floors):
    """All panels with one legend; up and right is better."""
    height = TOP + len(sets) * (PANEL_H + GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    entries = [(OWN, "Ringmain"), (OWN_TRUSTED, "Ringmain, departures trusted")]
    entries += list(zip(COLOURS, references.values()))
    for place, (colour, name) in enumerate(entries):
        x, y = LEFT + place % 4 * 212, 18 + place // 4 * 20
        parts.append(dot(x, y, colour, own=place < 2) + text(x + 12, y + 4, name))
    for row, name in enumerate(sets):
        for column, mode in enumerate(MODES):
            points = [(results[name, mode, rule], colour, False) for rule, colour in zip(references, COLOURS) if (name, mode, rule) in results]
            points.append((results[name, mode, "ringmain"], OWN, True))
            if mode == "real":
                points.append((results[name, "trusted", "ringmain"], OWN_TRUSTED, True))
            x, y = LEFT + column * (PANEL_W + GAP_X), TOP + row * (PANEL_H + GAP_Y)
            parts += panel(x, y, f"{name}: {TITLES[mode]}", points, floors[name, mode])
    return "\n".join(parts + ["</svg>"]) + "\n"


def panel(left, top, title, points, floor):
    """One set in one mode; the grey corner is what the floors allow."""
    energies = [point["delivered_pct"] for point, _, _ in points] + [floor[0]]
    fairness = [point["jain"] for point, _, _ in points] + [floor[1]]
    x_scale, x_ticks = scale(energies, 5, 100, left, left + PANEL_W)
    y_scale, y_ticks = scale(fairness, 0.05, 1, top + PANEL_H, top)
    corner_x, corner_y = x_scale(floor[0]), y_scale(floor[1])
    parts = [
        text(left, top - 10, title, bold=True),
        f'<rect x="{corner_x:.1f}" y="{top}" width="{left + PANEL_W - corner_x:.1f}" height="{corner_y - top:.1f}" fill="#f2f2f2"/>',
        f'<rect x="{left}" y="{top}" width="{PANEL_W}" height="{PANEL_H}" fill="none" stroke="#999999"/>',
    ]
    for tick in x_ticks:
        parts.append(line(x_scale(tick), top, x_scale(tick), top + PANEL_H))
        parts.append(text(x_scale(tick), top + PANEL_H + 16, f"{tick:.0f} %", anchor="middle"))
    for tick in y_ticks:
        parts.append(line(left, y_scale(tick), left + PANEL_W, y_scale(tick)))
        parts.append(text(left - 6, y_scale(tick) + 4, f"{tick:.2f}", anchor="end"))
    parts.append(text(left + PANEL_W - 6, top + PANEL_H - 6, "energy delivered, right is better", anchor="end", faint=True))
    parts.append(text(left + 6, top + 14, "Jain's index, up is better", faint=True))
    parts += [dot(x_scale(point["delivered_pct"]), y_scale(point["jain"]), colour, own) for point, colour, own in points]
    return parts


def scale(values, step, most, start, end):
    """A linear scale over whole steps up to `most`, and its inner ticks."""
    low = int(min(values) / step - 0.3) * step
    high = min((int(max(values) / step + 0.3) + 1) * step, most)
    count = round((high - low) / step)
    ticks = [low + step * number for number in range(1, count)]
    return (lambda value: start + (value - low) / (high - low) * (end - start)), ticks


def dot(x, y, colour, own):
    radius = 6.5 if own else 5
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" stroke="#ffffff" stroke-width="1"/>'


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#e4e4e4"/>'


def text(x, y, words, anchor="start", bold=False, faint=False):
    weight = ' font-weight="bold"' if bold else ""
    fill = "#888888" if faint else "#333333"
    return f'<text x="{x:.1f}" y="{y:.1f}" {FONT} font-size="12" fill="{fill}" text-anchor="{anchor}"{weight}>{html.escape(words)}</text>'

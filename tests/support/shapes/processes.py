"""What runs beside the web server, as code, settings and files for other hosts say it."""

from __future__ import annotations

import json

from .skeleton import CELERY, MANAGE, QUEUE, WSGI, Shape, project

SHAPES: dict[str, Shape] = {
    "heroku": (
        project("import dj_database_url\nDATABASES = {'default': dj_database_url.config()}\n",
            packages="celery==5.5.0\n",
                Procfile="release: python manage.py migrate && python manage.py seed\n"
                    "web: gunicorn mysite.wsgi --log-file -\n"
                "worker: celery -A mysite worker -l info\nbeat: celery -A mysite beat -l info\n",
                runtime_dot_txt="python-3.12.4\n", mysite__celery_dot_py=CELERY.format("mysite.settings", "mysite"),
                app_dot_json=json.dumps({"addons": ["heroku-postgresql", "heroku-redis:mini"],
                    "env": {"SECRET_KEY": {}}})),
        {
            "app_workers": {
                "worker": {"command": "celery -A mysite worker -l info"},
                "beat": {"command": 'celery -A mysite beat -l info --schedule "$APP_DATA_PATH/beat"', "single": True},
            },
            "app_after_migrate_commands": ["python manage.py seed"], "app_redis": True,
        }, [],
    ),
    "Celery with a schedule in the settings": (
        project("CELERY_BEAT_SCHEDULE = {'tidy': {'task': 'mysite.tasks.tidy', 'schedule': 60}}\n",
            packages="celery==5.5.0\n",
                mysite__celery_dot_py=CELERY.format("mysite.settings", "mysite")),
        {
            "app_workers": QUEUE | {"beat": {
                "command": 'celery -A mysite beat --loglevel INFO --schedule "$APP_DATA_PATH/beat"', "single": True,
            }},
            "app_redis": True,
        }, [],
    ),
    "Celery in a module of its own, its schedule in tables": (
        project("INSTALLED_APPS = ['django_celery_beat']\n"
                "CELERY_BEAT_SCHEDULER = 'django_celery_beat.schedulers:DatabaseScheduler'\n",
                packages="celery==5.5.0\n", mysite__celery_app_dot_py=CELERY.format("mysite.settings", "mysite")),
        {"app_workers": {
            "queue": {"command": "celery -A mysite.celery_app worker --loglevel INFO"},
            "beat": {"command": "celery -A mysite.celery_app beat --loglevel INFO", "single": True},
        }}, [],
    ),
    "RQ": (
        project("INSTALLED_APPS = ['django_rq']\nRQ_QUEUES = {'high': {'URL': 'redis://x'}, 'low': {}}\n",
                packages="django-rq==3.0\nrq-scheduler==0.14\n"),
        {
            "app_workers": {
                "rq": {"command": "python manage.py rqworker high low"},
                "rq-scheduler": {"command": "python manage.py rqscheduler", "single": True},
            },
            "app_redis": True,
        }, [],
    ),
    "Huey with periodic tasks": (
        project("INSTALLED_APPS = ['huey.contrib.djhuey']\n", packages="huey==2.5\n",
                mysite__tasks_dot_py="from huey.contrib.djhuey import db_periodic_task\n@db_periodic_task(None)\n"
                    "def x(): ...\n"),
        {"app_workers": {"huey": {"command": "python manage.py run_huey", "single": True}}}, [],
    ),
    "Huey without": (
        project("INSTALLED_APPS = ['huey.contrib.djhuey']\n", packages="huey==2.5\n"),
        {"app_workers": {"huey": {"command": "python manage.py run_huey"}}}, [],
    ),
    "Dramatiq": (
        project("INSTALLED_APPS = ['django_dramatiq']\n", packages="django-dramatiq==0.12\n"),
        {"app_workers": {"dramatiq": {"command": "python manage.py rundramatiq"}}}, [],
    ),
    "django-q": (
        project("DJANGO_APPS = ['django.contrib.admin']\nMORE_APPS = ['django_q']\n"
            "INSTALLED_APPS = DJANGO_APPS + MORE_APPS\n"),
        {"app_workers": {"q": {"command": "python manage.py qcluster", "stop_timeout": "10m"}}}, [],
    ),
    "Procrastinate": (
        project("INSTALLED_APPS = ['procrastinate.contrib.django']\n"),
        {"app_workers": {"procrastinate": {"command": "python manage.py procrastinate worker"}}}, [],
    ),
    "django-tasks": (
        project("INSTALLED_APPS = ['django_tasks', 'django_tasks.backends.database']\n"),
        {"app_workers": {"tasks": {"command": "python manage.py db_worker"}}}, [],
    ),
    "APScheduler": (
        project(packages="django-apscheduler==0.7\n", mysite__management__commands__run_jobs_dot_py=(
            "from apscheduler.schedulers.blocking import BlockingScheduler\ns = BlockingScheduler()\n")),
        {"app_workers": {"run-jobs": {"command": "python manage.py run_jobs", "single": True}}}, [],
    ),
    "apps with crontabs": (
        project("INSTALLED_APPS = ['django_cron', 'django_crontab']\nCRONJOBS = [('*/10 * * * *', 'mysite.cron.send'), "
                "('0 4 * * 1', 'django.core.management.call_command', ['clearsessions'])]\n"),
        {"app_timers": {
            "runcrons": {"command": "python manage.py runcrons", "schedule": "*:0/5"},
            "send": {"command": "python manage.py shell -c 'from mysite.cron import send; send()'",
                "schedule": "*:0/10"},
            "clearsessions": {"command": "python manage.py clearsessions", "schedule": "Mon 04:00"},
        }}, [],
    ),
    "fly.toml": (
        project(fly_dot_toml="[deploy]\nrelease_command = 'python manage.py migrate --noinput'\n[processes]\n"
                "web = 'gunicorn mysite.wsgi'\nmailer = 'python manage.py send_mails'\n[env]\nPORT = '8000'\n"),
        {"app_workers": {"mailer": {"command": "python manage.py send_mails"}}}, [],
    ),
    "Kamal": (
        project(config__deploy_dot_yml="servers:\n  web: [192.0.2.1]\n  jobs:\n    hosts: [192.0.2.1]\n"
            "    cmd: python manage.py run_jobs\n"
                "accessories:\n  cache: {image: 'valkey/valkey:8'}\n"),
        {"app_workers": {"jobs": {"command": "python manage.py run_jobs"}}, "app_redis": True}, [],
    ),
    "compose": (
        project(docker_compose_dot_yml="services: {dev: {command: python manage.py runserver}}\n", **{
            "docker-compose.prod.yml": "services:\n  web: {command: gunicorn mysite.wsgi}\n"
            "  worker: {command: [poetry, run, celery, -A, mysite, worker]}\n  db: {image: 'postgis/postgis:17'}\n"
            "  broker: {image: 'rabbitmq:4'}\n  cache: {image: 'redis:8', ports: !reset []}\n"}),
        {"app_workers": {"worker": {"command": "celery -A mysite worker"}}, "database_extensions": ["postgis"],
            "app_redis": True},
        ["service (docker-compose.prod.yml)"],
    ),
    "systemd": (
        project(**{
            "deploy/site-worker.service": "[Service]\nExecStart=/srv/venv/bin/python /srv/site/manage.py run_worker\n",
            "deploy/site-web.service": "[Service]\nExecStart=/srv/venv/bin/gunicorn mysite.wsgi\n",
            "deploy/tidy.service": "[Service]\nExecStart=/srv/venv/bin/python manage.py tidy\n",
            "deploy/tidy.timer": "[Timer]\nOnCalendar=daily\n",
        }),
        {
            "app_workers": {"site-worker": {"command": "python manage.py run_worker"}},
            "app_timers": {"tidy": {"command": "python manage.py tidy", "schedule": "daily"}},
        }, [],
    ),
    "a crontab": (
        project(deploy__crontab="# m h\n"
            "30 3 * * 1-5 cd /srv/site && venv/bin/python manage.py send_bills --all >> /var/log/x 2>&1\n"
                "@daily /usr/bin/certbot renew\n"),
        {"app_timers": {"send-bills": {"command": "python manage.py send_bills --all",
            "schedule": "Mon..Fri 03:30"}}}, [],
    ),
    "render.yaml": (
        project(render_dot_yaml="services:\n- {type: web, name: w, startCommand: gunicorn mysite.wsgi}\n"
                "- {type: worker, name: jobs, startCommand: python manage.py run_jobs}\n"
                "- {type: cron, name: tidy, startCommand: python manage.py tidy, schedule: '0 0 * * *'}\n"
                    "- {type: redis, name: r}\n"),
        {
            "app_workers": {"jobs": {"command": "python manage.py run_jobs"}},
            "app_timers": {"tidy": {"command": "python manage.py tidy", "schedule": "00:00"}}, "app_redis": True,
        }, [],
    ),
    "as cookiecutter-django makes it": (
        {
            "manage.py": MANAGE.format("config.settings.local"), "config/__init__.py": "",
            "config/settings/__init__.py": "",
            "config/settings/base.py": "import environ\nenv = environ.Env()\nROOT_URLCONF = 'config.urls'\n"
            "DATABASES = {'default': env.db('DATABASE_URL')}\nINSTALLED_APPS = ['django_celery_beat']\n"
            "CELERY_BROKER_URL = REDIS_URL = env('REDIS_URL', default='redis://redis:6379/0')\n"
            "CELERY_BEAT_SCHEDULER = 'django_celery_beat.schedulers:DatabaseScheduler'\n",
            "config/settings/local.py": "from .base import *\n", "config/settings/test.py": "from .base import *\n",
            "config/settings/production.py": "from .base import *\nfrom .base import env\n"
            "SECRET_KEY = env('DJANGO_SECRET_KEY')\nADMIN_URL = env('DJANGO_ADMIN_URL')\n"
            "ALLOWED_HOSTS = env.list('DJANGO_ALLOWED_HOSTS', default=['example.com'])\n"
            "ANYMAIL = {'MAILGUN_API_KEY': env('MAILGUN_API_KEY'), 'DOMAIN': env('MAILGUN_DOMAIN')}\n",
            "config/wsgi.py": WSGI.format("config.settings.production"),
            "config/celery_app.py": CELERY.format("config.settings.local", "shop"),
            "config/urls.py": "from django.conf import settings\nfrom django.contrib import admin\n"
            "from django.urls import path\nurlpatterns = [path('', None), path(settings.ADMIN_URL, admin.site.urls)]\n",
            "requirements/production.txt": "-r base.txt\ngunicorn==23.0.0\n",
            "requirements/base.txt": "django==5.2.8\ncelery==5.5.0\n",
        },
        {
            "app_workers": {
                "queue": {"command": "celery -A config.celery_app worker --loglevel INFO"},
                "beat": {"command": "celery -A config.celery_app beat --loglevel INFO", "single": True},
            },
            "app_redis": True, "app_health_path": "/",
            "app_env": {"DJANGO_ADMIN_URL": "admin/", "MAILGUN_DOMAIN": "{{ app_domains[0] }}"},
            "app_secret_env": {
                "DJANGO_SECRET_KEY": "{{ vault_app_secret_key }}", "MAILGUN_API_KEY": "{{ vault_mailgun_api_key }}",
            },
        }, [],
    ),
}  # fmt: skip
